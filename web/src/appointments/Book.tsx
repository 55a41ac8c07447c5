/** A held time, waiting to be confirmed before the hold runs out. */

import type { Appointment } from 'fhir/r4'
import { t } from '../i18n'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useLive } from '../parts/useLive'
import { useNow } from '../parts/useNow'
import { holdExpires } from './appointment'
import { AppointmentFacts } from './AppointmentFacts'
import { BookForm } from './BookForm'
import { appointment } from './booking'

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
