/** Where an order stands, in one word that everybody understands. */

import type { Task } from 'fhir/r4'
import { t } from '../i18n'
import { Badge } from '../parts/Notice'
import { orderState, type OrderState } from './order'

const TONES: Partial<Record<OrderState, 'good' | 'bad' | 'warn'>> = {
  returned: 'bad', cancelled: 'bad', expired: 'bad', submitted: 'warn', reviewed: 'good', released: 'good', dispensed: 'good', closed: 'good',
}

export function OrderBadge({ task }: { task: Task }) {
  const state = orderState(task)
  return <Badge tone={TONES[state]} testid="order-state">{t(`order.${state}`)}</Badge>
}
