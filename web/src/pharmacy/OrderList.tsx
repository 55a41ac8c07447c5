/** The pharmacist's two lists: prescriptions to review, and orders to hand out. */

import type { Task } from 'fhir/r4'
import { nameFor } from '../appointments/names'
import { t } from '../i18n'
import { dayAndTime } from '../i18n/format'
import { link } from '../page'
import { Loading, Notice, Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useLive } from '../parts/useLive'
import { OrderBadge } from './OrderBadge'
import { ordersAt } from './task'

const STATUS = { review: ['requested'], desk: ['ready', 'in-progress'] } as const

export function OrderList({ kind, organization }: { kind: 'review' | 'desk'; organization: string }) {
  const owner = organization.includes('/') ? organization : `Organization/${organization}`
  const list = useLive(['Task'], () => ordersAt(owner, ...STATUS[kind]), [kind, owner])
  return (
    <Page title={t(`${kind}.title`)}>
      <p class="lead">{t(`${kind}.lead`)}</p>
      <Refusal failure={list.failure} again={list.look} />
      {!list.value && !list.failure && <Loading />}
      {list.value?.length === 0 && <Notice testid="list-empty">{t(`${kind}.none`)}</Notice>}
      <ul class="rows">{list.value?.map((one) => <Row key={one.id} task={one} kind={kind} />)}</ul>
    </Page>
  )
}

function Row({ task, kind }: { task: Task; kind: 'review' | 'desk' }) {
  return (
    <li class="row" data-testid="order-row" data-id={task.id}>
      <span class="row-main">
        <strong>{task.for?.display ?? t('review.prescription')}</strong>
        <span>{nameFor(task.requester)}</span>
        {task.authoredOn && <time class="hint" dateTime={task.authoredOn}>{dayAndTime(task.authoredOn)}</time>}
      </span>
      <OrderBadge task={task} />
      <a class="button-primary" href={link(kind, task.id!)} data-testid="open-order">{t(`${kind}.open`)}</a>
    </li>
  )
}
