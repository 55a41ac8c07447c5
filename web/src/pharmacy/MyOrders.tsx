/** The patient's prescriptions: where they stand, which pharmacy, the code to show there. */

import type { Task } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { language, t } from '../i18n'
import { dayAndTime } from '../i18n/format'
import { nameFor } from '../appointments/names'
import { Button } from '../parts/Button'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useLive } from '../parts/useLive'
import { ChoosePharmacy } from './ChoosePharmacy'
import { readLines } from './document'
import { Lines } from './Lines'
import { orderState } from './order'
import { OrderBadge } from './OrderBadge'
import { linesOfOrder, ordersOf, pickupCode } from './task'

export function MyOrders({ patient }: { patient: string }) {
  const own = useLive(['Task'], () => ordersOf(patient), [patient])
  return (
    <Page title={t('orders.title')}>
      <Refusal failure={own.failure} again={own.look} />
      {!own.value && !own.failure && <Loading />}
      {own.value?.length === 0 && <Notice>{t('orders.none')}</Notice>}
      {own.value?.map((one) => <Order key={one.id} task={one} again={own.look} />)}
    </Page>
  )
}

function Order({ task, again }: { task: Task; again: () => void }) {
  const lines = useLive([], () => linesOfOrder(task), [task.id, task.meta?.versionId])
  const [choosing, setChoosing] = useState(false)
  const state = orderState(task)
  const done = () => {
    setChoosing(false)
    again()
  }
  return (
    <article class="card" data-testid="order" data-id={task.id}>
      <p><OrderBadge task={task} /> {task.authoredOn && <time class="hint" dateTime={task.authoredOn}>{dayAndTime(task.authoredOn)}</time>}</p>
      <p>{t(`order.${state}.words`)}</p>
      <Refusal failure={lines.failure} />
      {lines.value && <Lines lines={readLines(lines.value.lines, lines.value.medications, language.value)} />}
      {state === 'reviewed' && <Button look="primary" testid="choose-pharmacy" onClick={() => setChoosing(true)}>{t('orders.choose')}</Button>}
      {(state === 'released' || state === 'claimed') && <PickupCode task={task} />}
      {choosing && <ChoosePharmacy task={task.id!} onClose={() => setChoosing(false)} onDone={done} />}
    </article>
  )
}

function PickupCode({ task }: { task: Task }) {
  const code = useLive([], () => pickupCode(task.id!), [task.id])
  return (
    <div class="pickup">
      <p>{t('orders.code')} <strong>{nameFor(task.owner)}</strong></p>
      <Refusal failure={code.failure} again={code.look} />
      {code.value && <p class="code" data-testid="pickup-code">{code.value}</p>}
      <p class="hint">{t('orders.code-hint')}</p>
    </div>
  )
}
