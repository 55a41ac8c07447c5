/** Which earlier record the follow-up rests on. Without one, the first visit is in person (TELE-01). */

import type { DocumentReference } from 'fhir/r4'
import { language, t } from '../i18n'
import { date } from '../i18n/format'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { useLive } from '../parts/useLive'
import { diagnosisOf, priorRecords } from './documents'

interface Props {
  patient: string
  chosen: string
  error?: string
  onChange: (record: string) => void
}

export function PriorRecordChoice({ patient, chosen, error, onChange }: Props) {
  const records = useLive(['DocumentReference'], () => priorRecords(patient), [patient])
  if (records.failure) return <Refusal failure={records.failure} again={records.look} />
  if (!records.value) return <Loading />
  if (!records.value.length) return <FirstVisit />
  return (
    <fieldset id="prior-record" tabIndex={-1} aria-describedby="prior-record-hint" data-testid="prior-record">
      <legend>{t('record.choose')}</legend>
      <p class="hint" id="prior-record-hint">{t('record.why')}</p>
      {error && <p class="error">{error}</p>}
      {records.value.map((one) => (
        <label class="choice" key={one.id}>
          <input type="radio" name="record" checked={chosen === one.id} onChange={() => onChange(one.id!)} data-testid="prior-record-choice" />
          <span><strong>{diagnosisOf(one, language.value)}</strong> {origin(one)}</span>
        </label>
      ))}
    </fieldset>
  )
}

function FirstVisit() {
  return (
    <Notice tone="warn" testid="no-prior-record">
      <p><strong>{t('record.none')}</strong></p>
      <p>{t('record.first-visit')}</p>
      <a href="#/find">{t('record.find-in-person')}</a>
    </Notice>
  )
}

const origin = (record: DocumentReference): string =>
  [record.custodian?.display, record.author?.[0]?.display, record.date && date(record.date)].filter(Boolean).join(' · ')
