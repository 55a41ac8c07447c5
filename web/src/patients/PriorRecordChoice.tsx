/** Which earlier record the follow-up rests on. Without one, the first visit is in person (TELE-01). */

import type { DocumentReference } from 'fhir/r4'
import { nameFor } from '../appointments/names'
import { t } from '../i18n'
import { date } from '../i18n/format'
import { Button } from '../parts/Button'
import { Notice } from '../parts/Notice'
import { diagnosisName } from './diagnosisName'
import { diagnosisOf } from './documents'

interface Props {
  records: DocumentReference[]
  chosen: string
  error?: string
  onChange: (record: string) => void
}

export function PriorRecordChoice({ records, chosen, error, onChange }: Props) {
  return (
    <fieldset id="prior-record" tabIndex={-1} aria-describedby="prior-record-hint" data-testid="prior-record">
      <legend>{t('record.choose')}</legend>
      <p class="hint" id="prior-record-hint">{t('record.why')}</p>
      {error && <p class="error">{error}</p>}
      {records.map((one) => (
        <label class="choice" key={one.id}>
          <input type="radio" name="record" checked={chosen === one.id} onChange={() => onChange(one.id!)} data-testid="prior-record-choice" />
          <span><strong>{diagnosisName(diagnosisOf(one))}</strong> {origin(one)}</span>
        </label>
      ))}
    </fieldset>
  )
}

/** Why there is nothing to choose from, and what to do instead. */
export function FirstVisit({ onInPerson }: { onInPerson: () => void }) {
  return (
    <Notice tone="warn" testid="no-prior-record">
      <p><strong>{t('record.none')}</strong></p>
      <p>{t('record.first-visit')}</p>
      <Button look="primary" testid="find-in-person" onClick={onInPerson}>{t('record.find-in-person')}</Button>
    </Notice>
  )
}

const origin = (record: DocumentReference): string =>
  [record.custodian && nameFor(record.custodian), record.author?.[0] && nameFor(record.author[0]), record.date && date(record.date)].filter(Boolean).join(' · ')
