/** What the doctor writes during a visit, step by step: follow-up, diagnosis, prescription, end. */

import type { Appointment, Encounter } from 'fhir/r4'
import { priorDiagnosis } from '../appointments/appointment'
import { t } from '../i18n'
import { Refusal } from '../parts/Notice'
import { useLive } from '../parts/useLive'
import { document } from '../patients/documents'
import { DiagnosisStep } from '../patients/DiagnosisStep'
import { recorded } from '../patients/diagnosis'
import { PrescriptionStep } from '../pharmacy/PrescriptionStep'
import { isFollowUp } from './encounter'
import { EndVisit } from './EndVisit'
import { FollowUpStep } from './FollowUpStep'

interface Props {
  appointment: Appointment
  encounter: Encounter
  doctor: string
  again: () => void
}

export function RecordPanel({ appointment, encounter, doctor, again }: Props) {
  const reference = priorDiagnosis(appointment)
  const prior = useLive([], async () => (reference ? document(reference) : undefined), [reference])
  const diagnoses = useLive(['Condition', 'Encounter'], () => recorded(encounter.id!), [encounter.id])
  const confirmed = isFollowUp(encounter)
  const open = encounter.status === 'in-progress'
  const changed = () => {
    again()
    diagnoses.look()
  }
  return (
    <section class="record" aria-label={t('visit.record')}>
      <Refusal failure={prior.failure ?? diagnoses.failure} />
      {encounter.status === 'arrived' && <p class="hint" data-testid="visit-not-started">{t('visit.not-started')}</p>}
      {appointment.comment && (
        <section class="panel" aria-labelledby="patient-comment" data-testid="patient-comment">
          <h2 id="patient-comment">{t('visit.comment')}</h2>
          <p>{appointment.comment}</p>
        </section>
      )}
      <FollowUpStep prior={prior.value} encounter={encounter} judgement={confirmed} open={open} again={changed} />
      <DiagnosisStep encounter={encounter} doctor={doctor} diagnoses={diagnoses.value ?? []} prior={prior.value}
        open={open && confirmed === true} again={changed} />
      <PrescriptionStep encounter={encounter} doctor={doctor} diagnosis={diagnoses.value?.[0]}
        open={open && confirmed === true} />
      <EndVisit encounter={encounter} open={open} again={changed} />
    </section>
  )
}
