/** The doctor's desk: today's queue, and who comes next. */

import type { Appointment } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { t } from '../i18n'
import { time } from '../i18n/format'
import { link } from '../page'
import { Button } from '../parts/Button'
import { Badge, Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { isCalled, ticketOf, who, type TicketState } from './appointment'
import { nameFor } from './names'
import { callNext, queue, recall, schedules, skip } from './queue'

const ORDER: (TicketState | undefined)[] = ['in-visit', 'called', 'waiting', undefined, 'missed', 'done']

export function Queue({ doctor }: { doctor: string }) {
  const own = useLive(['Schedule'], () => schedules(doctor), [doctor])
  return (
    <Page title={t('queue.title')} wide>
      <Refusal failure={own.failure} again={own.look} />
      {!own.value && !own.failure && <Loading />}
      {own.value?.length === 0 && <Notice>{t('queue.no-schedule')}</Notice>}
      {own.value?.map((one) => <ScheduleQueue key={one.id} schedule={one.id!} />)}
    </Page>
  )
}

function ScheduleQueue({ schedule }: { schedule: string }) {
  const today = useLive(['Appointment', 'Encounter', 'Schedule', 'Slot'], () => queue(schedule), [schedule])
  const [nobody, setNobody] = useState(false)
  const calling = useCommand()
  const call = () => calling.run(async () => setNobody(!(await callNext(schedule)))).then(today.look)
  const waiting = today.value?.filter((one) => ticketOf(one)?.state === 'waiting').length ?? 0
  return (
    <>
      <div class="panel queue-top">
        <p class="big-number"><strong data-testid="waiting-count">{waiting}</strong> <span>{t('queue.waiting')}</span></p>
        <Button look="primary" busy={calling.busy} testid="call-next" onClick={() => void call()}>{t('queue.call-next')}</Button>
      </div>
      <Refusal failure={calling.failure ?? today.failure} />
      {nobody && waiting === 0 && <Notice role="status" testid="nobody-waits">{t('queue.nobody')}</Notice>}
      {today.value?.length === 0 && <Notice>{t('queue.empty')}</Notice>}
      <ul class="rows">{inOrder(today.value ?? []).map((one) => <Row key={one.id} appointment={one} again={today.look} />)}</ul>
    </>
  )
}

function Row({ appointment, again }: { appointment: Appointment; again: () => void }) {
  const ticket = ticketOf(appointment)
  const acting = useCommand()
  const act = (work: (id: string) => Promise<unknown>) => void acting.run(() => work(appointment.id!)).then(again)
  return (
    <li class={isCalled(appointment) ? 'row row-now' : 'row'} data-testid="queue-row" data-id={appointment.id}>
      <span class="row-number">{ticket ? ticket.number : '–'}</span>
      <span class="row-main"><strong>{who(appointment, nameFor).patient}</strong> <time dateTime={appointment.start}>{time(appointment.start ?? '')}</time></span>
      <Badge tone={isCalled(appointment) ? 'good' : 'plain'} testid="row-state">{ticket ? t(`ticket.${ticket.state}`) : t('ticket.not-here')}</Badge>
      <span class="row-actions">
        {isCalled(appointment) && <a class="button-primary" href={link('room', appointment.id!)} data-testid="enter-room">{t('queue.enter')}</a>}
        {(ticket?.state === 'called' || ticket?.state === 'missed') && (
          <Button busy={acting.busy} testid="recall" onClick={() => act(recall)}>{t('queue.recall')}</Button>
        )}
        {ticket?.state === 'called' && <Button busy={acting.busy} testid="skip" onClick={() => act(skip)}>{t('queue.skip')}</Button>}
      </span>
      <Refusal failure={acting.failure} />
    </li>
  )
}

function inOrder(all: Appointment[]): Appointment[] {
  const rank = (one: Appointment): number => ORDER.indexOf(ticketOf(one)?.state)
  const number = (one: Appointment): number => ticketOf(one)?.number ?? Date.parse(one.start ?? '')
  return [...all].sort((a, b) => rank(a) - rank(b) || number(a) - number(b))
}
