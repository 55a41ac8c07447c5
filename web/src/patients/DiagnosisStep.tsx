/** The doctor looks up and records the diagnosis of this visit. */

import type { Condition, DocumentReference, Encounter } from 'fhir/r4'
import { codeOf, ICD_10 } from '../fhir/read'
import { t } from '../i18n'
import { Button } from '../parts/Button'
import { Refusal } from '../parts/Notice'
import { Search } from '../parts/Search'
import { useCommand } from '../parts/useCommand'
import { lookUp, record } from './diagnosis'
import { diagnosisName, foundName } from './diagnosisName'
import { diagnosisOf } from './documents'

interface Props {
  encounter: Encounter
  doctor: string
  diagnoses: Condition[]
  prior?: DocumentReference
  open: boolean
  again: () => void
}

export function DiagnosisStep({ encounter, doctor, diagnoses, prior, open, again }: Props) {
  const recording = useCommand()
  return (
    <section class="panel step" aria-labelledby="step-diagnosis">
      <h2 id="step-diagnosis">{t('diagnosis.title')}</h2>
      {diagnoses.map((one) => (
        <p key={one.id} data-testid="diagnosis"><strong>{diagnosisName(one.code)}</strong></p>
      ))}
      {!open && diagnoses.length === 0 && <p class="hint">{t('step.wait')}</p>}
      {open && (
        <Search key={`${diagnoses.length}-${prior?.id}`} id="diagnosis-search" label={t('diagnosis.search')} hint={t('diagnosis.hint')}
          start={diagnoses.length ? '' : codeOf(diagnosisOf(prior), ICD_10)} look={lookUp}>
          {(one) => (
            <li key={one.code} class="found">
              <span><strong>{foundName(one)}</strong> {one.code}</span>
              <Button busy={recording.busy} testid={`record-${one.code}`}
                onClick={() => void recording.run(() => record(one, encounter, doctor)).then(again)}>{t('diagnosis.record')}</Button>
            </li>
          )}
        </Search>
      )}
      <Refusal failure={recording.failure} />
    </section>
  )
}
