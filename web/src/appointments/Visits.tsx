/** The patient's coming visits: what to do now, and the live place in the queue. */

import type { Appointment } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { t, type Key } from '../i18n'
import { isoDay, time } from '../i18n/format'
import { link } from '../page'
import { Button } from '../parts/Button'
import { Dialog } from '../parts/Dialog'
import { Badge, Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { useNow } from '../parts/useNow'
import { checkInOpens, isCalled, ticketOf } from './appointment'
import { AppointmentFacts } from './AppointmentFacts'
import { cancel, ownAppointments } from './booking'
import { QueuePlace } from './QueuePlace'
import { checkIn } from './queue'

const SHOWN = ['pending', 'booked', 'checked-in', 'arrived', 'fulfilled', 'noshow']

export function Visits({ patient }: { patient: string }) {
  const own = useLive(['Appointment', 'Encounter'], () => ownAppointments(patient, isoDay(new Date())), [patient])
  const shown = own.value?.filter((one) => SHOWN.includes(one.status))
  return (
    <Page title={t('visits.title')}>
      <Refusal failure={own.failure} again={own.look} />
      {!shown && !own.failure && <Loading />}
      {shown?.length === 0 && <Notice><p>{t('visits.none')}</p><a href="#/find">{t('nav.find')}</a></Notice>}
      {shown?.map((one) => <Visit key={one.id} appointment={one} again={own.look} />)}
    </Page>
  )
}

function Visit({ appointment, again }: { appointment: Appointment; again: () => void }) {
  const state = ticketOf(appointment)?.state
  const key = state && appointment.status !== 'fulfilled' ? `ticket.${state}` : `status.${appointment.status}`
  return (
    <article class="card" data-testid="visit" data-id={appointment.id}>
      <Badge tone={isCalled(appointment) ? 'good' : 'plain'} testid="visit-status">{t(key as Key)}</Badge>
      <AppointmentFacts appointment={appointment} />
      {appointment.status === 'pending' && (
        <a class="button-primary" href={link('book', appointment.id!)}>{t('visits.finish-booking')}</a>
      )}
      {appointment.status === 'booked' && <Coming appointment={appointment} again={again} />}
      {state === 'waiting' && <QueuePlace appointment={appointment.id!} />}
      {state === 'missed' && <Notice tone="warn">{t('visits.missed')}</Notice>}
      {isCalled(appointment) && (
        <a class="button-primary button-big" href={link('room', appointment.id!)} data-testid="enter-room">{t('visits.enter')}</a>
      )}
    </article>
  )
}

/** A booked visit: check in when it is time, or give it back. */
function Coming({ appointment, again }: { appointment: Appointment; again: () => void }) {
  const now = useNow(10_000)
  const [giving, setGiving] = useState(false)
  const checking = useCommand()
  const opens = checkInOpens(appointment)
  return (
    <>
      <Refusal failure={checking.failure} />
      <div class="actions">
        {now >= opens
          ? <Button look="primary" busy={checking.busy} testid="check-in"
              onClick={() => void checking.run(() => checkIn(appointment.id!)).then(again)}>{t('visits.check-in')}</Button>
          : <p class="hint">{isoDay(now) === isoDay(opens) ? t('visits.opens-at', { time: time(opens) }) : t('visits.opens-later')}</p>}
        <Button testid="cancel-visit" onClick={() => setGiving(true)}>{t('visits.cancel')}</Button>
      </div>
      {giving && <CancelDialog appointment={appointment.id!} onClose={() => { setGiving(false); again() }} />}
    </>
  )
}

function CancelDialog({ appointment, onClose }: { appointment: string; onClose: () => void }) {
  const cancelling = useCommand()
  return (
    <Dialog title={t('cancel.title')} onClose={onClose}>
      <p>{t('cancel.ask')}</p>
      <Refusal failure={cancelling.failure} />
      <div class="actions">
        <Button look="danger" busy={cancelling.busy} testid="confirm-cancel"
          onClick={() => void cancelling.run(() => cancel(appointment, t('cancel.reason'))).then((done) => done && onClose())}>
          {t('cancel.confirm')}
        </Button>
        <Button onClick={onClose}>{t('cancel.keep')}</Button>
      </div>
    </Dialog>
  )
}
