/** A signed prescription as its doctor sees it: the lines, and what the pharmacist said. */

import type { Task } from 'fhir/r4'
import { t } from '../i18n'
import { Notice } from '../parts/Notice'
import type { PrescriptionLine } from './document'
import { Lines } from './Lines'
import { OrderBadge } from './OrderBadge'
import { orderState, reasonOf } from './order'

export function SentOrder({ order, lines }: { order: Task; lines: PrescriptionLine[] }) {
  const state = orderState(order)
  return (
    <div class="sent" data-testid="sent-order" data-id={order.id}>
      <OrderBadge task={order} />
      <Lines lines={lines} />
      {state === 'returned' && <Notice tone="bad" role="alert" testid="returned">{t('rx.returned', { reason: reasonOf(order) ?? '' })}</Notice>}
      {state === 'submitted' && <p class="hint">{t('rx.waits')}</p>}
    </div>
  )
}
