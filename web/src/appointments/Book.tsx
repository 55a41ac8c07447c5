/** Confirm a held time: choose the record the follow-up rests on, before the hold runs out. */

import type { Appointment } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { t } from '../i18n'
import { countdown } from '../i18n/format'
import { go } from '../page'
import { Button } from '../parts/Button'
import { ErrorSummary, Field, onSubmit, type Errors } from '../parts/Form'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { useNow } from '../parts/useNow'
import { PriorRecordChoice } from '../patients/PriorRecordChoice'
import { holdExpires, visitType } from './appointment'
import { AppointmentFacts } from './AppointmentFacts'
import { appointment, book, cancel } from './booking'

export function Book({ id, patient }: { id: string; patient: string }) {
  const held = useLive(['Appointment'], () => appointment(id), [id])
  return (
    <Page title={t('book.title')}>
      <Refusal failure={held.failure} again={held.look} />
      {!held.value && !held.failure && <Loading />}
      {held.value && <Held appointment={held.value} patient={patient} />}
    </Page>
  )
}

function Held({ appointment, patient }: { appointment: Appointment; patient: string }) {
  const now = useNow(500)
  const expires = holdExpires(appointment)
  const seconds = expires ? (Date.parse(expires) - now.getTime()) / 1000 : Infinity
  if (appointment.status !== 'pending') return <Settled appointment={appointment} />
  return (
    <>
      <AppointmentFacts appointment={appointment} />
      {seconds > 0
        ? <BookForm appointment={appointment} patient={patient} seconds={seconds} />
        : <Expired />}
    </>
  )
}

function Settled({ appointment }: { appointment: Appointment }) {
  if (appointment.status === 'cancelled') return <Expired />
  return (
    <>
      <Notice tone="good" role="status" testid="booked">{t('book.done')}</Notice>
      <AppointmentFacts appointment={appointment} />
      <a class="button-primary" href="#/visits" data-testid="to-visits">{t('book.to-visits')}</a>
    </>
  )
}

function Expired() {
  return (
    <Notice tone="warn" role="alert" testid="hold-expired">
      <p>{t('book.expired')}</p>
      <a href="#/find">{t('book.choose-again')}</a>
    </Notice>
  )
}

function BookForm({ appointment, patient, seconds }: { appointment: Appointment; patient: string; seconds: number }) {
  const [record, setRecord] = useState('')
  const [comment, setComment] = useState('')
  const [errors, setErrors] = useState<Errors>({})
  const booking = useCommand()
  const kind = visitType(appointment) ?? 'VR'
  const needsRecord = kind === 'VR'
  async function confirm(): Promise<void> {
    const missing: Errors = needsRecord && !record ? { 'prior-record': t('book.record-missing') } : {}
    setErrors(missing)
    if (Object.keys(missing).length) return
    const choice = { appointment: appointment.id!, patient, visitType: kind, priorDiagnosis: record, comment: comment.trim() }
    if (await booking.run(() => book(choice))) go('visits')
  }
  return (
    <form class="panel" noValidate onSubmit={onSubmit(confirm)}>
      <p class="countdown" role="timer" data-testid="hold-countdown">
        {t('book.held-for')} <strong>{Number.isFinite(seconds) ? countdown(seconds) : ''}</strong>
      </p>
      <ErrorSummary errors={errors} />
      {needsRecord && (
        <PriorRecordChoice patient={patient} chosen={record} onChange={setRecord} error={errors['prior-record']} />
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
        <Button testid="release-hold" onClick={() => void booking.run(() => cancel(appointment.id!, t('book.release'))).then(() => go('find'))}>
          {t('book.release')}
        </Button>
      </div>
    </form>
  )
}
