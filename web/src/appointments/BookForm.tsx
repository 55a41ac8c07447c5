/** What a booking still needs: the record the follow-up rests on, and a word to the doctor. */

import type { Appointment } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { t } from '../i18n'
import { countdown } from '../i18n/format'
import { go } from '../page'
import { Button } from '../parts/Button'
import { ErrorSummary, Field, onSubmit, type Errors } from '../parts/Form'
import { Loading, Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { priorRecords } from '../patients/documents'
import { FirstVisit, PriorRecordChoice } from '../patients/PriorRecordChoice'
import { visitType } from './appointment'
import { book, cancel } from './booking'

interface Props {
  appointment: Appointment
  patient: string
  /** Until the hold runs out. */
  seconds: number
}

export function BookForm({ appointment, patient, seconds }: Props) {
  const [record, setRecord] = useState('')
  const [comment, setComment] = useState('')
  const [errors, setErrors] = useState<Errors>({})
  const booking = useCommand()
  const kind = visitType(appointment) ?? 'VR'
  const records = useLive(['DocumentReference'], async () => (kind === 'VR' ? priorRecords(patient) : null), [patient, kind])
  async function confirm(): Promise<void> {
    const missing: Errors = kind === 'VR' && !record ? { 'prior-record': t('book.record-missing') } : {}
    setErrors(missing)
    if (Object.keys(missing).length) return
    const choice = { appointment: appointment.id!, patient, visitType: kind, priorDiagnosis: record, comment: comment.trim() }
    if (await booking.run(() => book(choice))) go('visits')
  }
  async function giveBack(...page: string[]): Promise<void> {
    if (await booking.run(() => cancel(appointment.id!, t('book.release')))) go(...page)
  }
  if (records.failure) return <Refusal failure={records.failure} again={records.look} />
  if (records.value === undefined) return <Loading />
  if (records.value?.length === 0) return <FirstVisit onInPerson={() => void giveBack('find', 'AMB')} />
  return (
    <form class="panel" noValidate onSubmit={onSubmit(confirm)}>
      <p class="countdown" role="timer" data-testid="hold-countdown">
        {t('book.held-for')} <strong>{Number.isFinite(seconds) ? countdown(seconds) : ''}</strong>
      </p>
      <ErrorSummary errors={errors} />
      {records.value && (
        <PriorRecordChoice records={records.value} chosen={record} onChange={setRecord} error={errors['prior-record']} />
      )}
      <Field id="comment" label={t('book.comment')} hint={t('book.comment-hint')}>
        {(described) => (
          <textarea {...described} rows={3} maxLength={500} value={comment} data-testid="comment"
            onInput={(event) => setComment(event.currentTarget.value)} />
        )}
      </Field>
      <Refusal failure={booking.failure} />
      <div class="actions">
        <Button type="submit" look="primary" busy={booking.busy} testid="confirm-booking">{t('book.confirm')}</Button>
        <Button busy={booking.busy} testid="release-hold" onClick={() => void giveBack('find')}>{t('book.release')}</Button>
      </div>
    </form>
  )
}
