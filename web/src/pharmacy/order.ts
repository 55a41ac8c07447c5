/** Where the order of a prescription stands. */

import type { Task } from 'fhir/r4'

export type OrderState =
  | 'submitted' | 'returned' | 'reviewed' | 'released' | 'claimed' | 'dispensed' | 'closed' | 'cancelled' | 'expired'

const BY_STATUS: Partial<Record<Task['status'], OrderState>> = {
  requested: 'submitted', 'on-hold': 'returned', accepted: 'reviewed', ready: 'released', 'in-progress': 'claimed',
  completed: 'closed', cancelled: 'cancelled', failed: 'expired',
}

/** Where the order stands: the business status, or what the status alone says. */
export function orderState(task: Task): OrderState {
  const code = task.businessStatus?.coding?.[0]?.code as OrderState | undefined
  return code ?? BY_STATUS[task.status] ?? 'submitted'
}

/** The pharmacist's words when an order came back. */
export const reasonOf = (task: Task): string | undefined =>
  task.statusReason?.text ?? task.statusReason?.coding?.[0]?.display ?? task.note?.at(-1)?.text
