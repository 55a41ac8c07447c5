/** The doctor writes the lines of a prescription, signs it, and sees what the pharmacist says. */

import type { Condition, Encounter, MedicationRequest, Task } from 'fhir/r4'
import { useMemo, useState } from 'preact/hooks'
import { language, t } from '../i18n'
import { Button } from '../parts/Button'
import { Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { newId } from '../server'
import { AddLine } from './AddLine'
import { readLines, type PrescriptionLine } from './document'
import { DraftLines } from './DraftLines'
import { orderState } from './order'
import { groupOf, linesOf, redraft } from './prescription'
import { SentOrder } from './SentOrder'
import { SignDialog } from './SignDialog'
import { ordersOfVisit } from './task'

interface Props {
  encounter: Encounter
  doctor: string
  diagnosis?: Condition
  open: boolean
}

export function PrescriptionStep({ encounter, doctor, diagnosis, open }: Props) {
  const written = useLive(['MedicationRequest', 'Task', 'Encounter'], async () => ({
    ...(await linesOf(encounter.id!)),
    orders: await ordersOfVisit(encounter.id!),
  }), [encounter.id])
  const fresh = useMemo(newId, [encounter.id, written.value?.orders.length])
  const { lines = [], medications = [], orders = [] } = written.value ?? {}
  const inWords = (some: MedicationRequest[]) => readLines(some, medications, language.value)
  const drafts = lines.filter((one) => one.status === 'draft')
  const group = (drafts[0] && groupOf(drafts[0])) ?? fresh
  const canWrite = open && diagnosis !== undefined
  return (
    <section class="panel step" aria-labelledby="step-prescription">
      <h2 id="step-prescription">{t('rx.title')}</h2>
      <Refusal failure={written.failure} again={written.look} />
      {orders.map((order) => (
        <Sent key={order.id} order={order} lines={lines} drafts={drafts} inWords={inWords} again={written.look} />
      ))}
      <DraftLines lines={inWords(drafts)} again={written.look} />
      {canWrite && (
        <AddLine context={{ encounter, doctor, group, diagnosis }} again={written.look}>
          {drafts.length > 0 && <Sign group={group} again={written.look} />}
        </AddLine>
      )}
      {!canWrite && lines.length === 0 && <p class="hint">{t('step.wait')}</p>}
    </section>
  )
}

function Sign({ group, again }: { group: string; again: () => void }) {
  const [signing, setSigning] = useState(false)
  const close = () => {
    setSigning(false)
    again()
  }
  return (
    <div class="actions">
      <Button look="primary" testid="sign" onClick={() => setSigning(true)}>{t('rx.sign')}</Button>
      {signing && <SignDialog group={group} onClose={close} />}
    </div>
  )
}

interface SentProps {
  order: Task
  lines: MedicationRequest[]
  drafts: MedicationRequest[]
  inWords: (lines: MedicationRequest[]) => PrescriptionLine[]
  again: () => void
}

function Sent({ order, lines, drafts, inWords, again }: SentProps) {
  const correcting = useCommand()
  const group = order.groupIdentifier?.value
  const own = lines.filter((one) => groupOf(one) === group && one.status !== 'draft')
  const returned = orderState(order) === 'returned' && !drafts.some((one) => groupOf(one) === group)
  const correct = () => void correcting.run(async () => {
    for (const line of own) await redraft(line)
  }).then(again)
  return (
    <>
      <SentOrder order={order} lines={inWords(own)} />
      <Refusal failure={correcting.failure} />
      {returned && <Button busy={correcting.busy} testid="correct" onClick={correct}>{t('rx.correct')}</Button>}
    </>
  )
}
