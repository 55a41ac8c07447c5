/** Free times by day and doctor; a press on one holds it. */

import type { Appointment } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { day, isoDay, time } from '../i18n/format'
import { t } from '../i18n'
import { go } from '../page'
import { Button } from '../parts/Button'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { useCommand, type Command } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { byDay, who, type Times } from './appointment'
import { find, hold, type Kind, type Wanted } from './booking'
import { freeTimes } from './finding'
import { nameFor } from './names'

const SHOWN = 8

export function FreeTimes({ wanted, kind, patient }: { wanted: Wanted; kind: Kind; patient: string }) {
  const [portions, setPortions] = useState(1)
  const holding = useCommand()
  const free = useLive(['Slot'], () => freeTimes((start, end) => find(wanted, kind, start, end), new Date(), portions), [portions])
  async function take(proposed: Appointment): Promise<void> {
    const held = await holding.run(async () => {
      const pending = await hold(proposed.id ?? '', patient)
      go('book', pending.id ?? '')
    })
    // Someone else was faster: show what is free now.
    if (!held) free.look()
  }
  const found = free.value && byDay(free.value.times, isoDay)
  return (
    <section aria-labelledby="times-title" class="times">
      <h2 id="times-title">{t('times.title')}</h2>
      <Refusal failure={holding.failure ?? free.failure} />
      {!found && !free.failure && <Loading />}
      {found?.length === 0 && <Notice testid="no-times">{t('times.none')}</Notice>}
      {found?.map((one, at) => <Day key={one.day} times={one} open={at === 0} holding={holding} take={take} />)}
      {free.value?.more && <Button testid="later-times" onClick={() => setPortions(portions + 1)}>{t('times.later')}</Button>}
    </section>
  )
}

interface DayProps {
  times: Times
  open: boolean
  holding: Command
  take: (proposed: Appointment) => void
}

function Day({ times, open, holding, take }: DayProps) {
  const count = times.doctors.reduce((sum, one) => sum + one.length, 0)
  return (
    <details open={open} class="day">
      <summary><strong>{day(`${times.day}T12:00:00+08:00`)}</strong> <span class="hint">{t('times.count', { count })}</span></summary>
      {times.doctors.map((one) => <DoctorTimes key={one[0]!.id} times={one} holding={holding} take={take} />)}
    </details>
  )
}

function DoctorTimes(props: { times: Appointment[] } & Pick<DayProps, 'holding' | 'take'>) {
  const [all, setAll] = useState(false)
  const { doctor, service } = who(props.times[0]!, nameFor)
  const shown = all ? props.times : props.times.slice(0, SHOWN)
  return (
    <div class="doctor-times" role="group" aria-label={`${doctor} ${service}`}>
      <p><strong>{doctor}</strong> <span class="hint">{service}</span></p>
      <div class="slots">
        {shown.map((one) => (
          <Button key={one.id} testid="time" disabled={props.holding.busy} onClick={() => props.take(one)}>
            <time dateTime={one.start}>{time(one.start ?? '')}</time>
          </Button>
        ))}
        {shown.length < props.times.length && (
          <button type="button" class="button-quiet" onClick={() => setAll(true)}>
            {t('times.more', { count: props.times.length - shown.length })}
          </button>
        )}
      </div>
    </div>
  )
}
