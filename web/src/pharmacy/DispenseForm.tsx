/** How much of each line is handed out now: all that is left, unless the pharmacist says less. */

import type { MedicationDispense } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { language, t } from '../i18n'
import { Button } from '../parts/Button'
import { ErrorSummary, Field, onSubmit, type Errors } from '../parts/Form'
import { Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { remaining, type PrescriptionLine } from './document'
import { dispense, type HandedOut } from './task'
import { unitIn } from './words'

interface Props {
  task: string
  secret: string
  lines: PrescriptionLine[]
  given: MedicationDispense[]
  again: () => void
}

export function DispenseForm({ task, secret, lines, given, again }: Props) {
  const [amounts, setAmounts] = useState<Record<string, string>>({})
  const [errors, setErrors] = useState<Errors>({})
  const dispensing = useCommand()
  const left = (line: PrescriptionLine): number => remaining(line, given)
  const typed = (line: PrescriptionLine): string => amounts[line.id] ?? String(left(line))
  async function hand(): Promise<void> {
    const wrong = Object.fromEntries(
      lines.filter((one) => !isAmount(typed(one), left(one))).map((one) => [`out-${one.id}`, t('desk.amount-wrong', { medicine: one.medicine, most: left(one) })]),
    )
    setErrors(wrong)
    if (Object.keys(wrong).length) return
    if (await dispensing.run(() => dispense(task, secret, lines.map((one) => handedOut(one, Number(typed(one))))))) again()
  }
  return (
    <form class="panel" noValidate onSubmit={onSubmit(hand)}>
      <h2>{t('desk.hand-out')}</h2>
      <ErrorSummary errors={errors} />
      {lines.map((one) => (
        <Field key={one.id} id={`out-${one.id}`} label={one.medicine} error={errors[`out-${one.id}`]}
          hint={t('desk.left', { amount: left(one), unit: unitIn(one.ordered.code ?? '', language.value) })}>
          {(described) => (
            <input {...described} inputMode="decimal" autoComplete="off" value={typed(one)} data-testid="hand-out-amount"
              onInput={(event) => setAmounts({ ...amounts, [one.id]: event.currentTarget.value })} />
          )}
        </Field>
      ))}
      <Refusal failure={dispensing.failure} />
      <Button type="submit" look="primary" busy={dispensing.busy} testid="dispense">{t('desk.dispense')}</Button>
    </form>
  )
}

const isAmount = (text: string, most: number): boolean =>
  /^\d{1,6}(\.\d{1,3})?$/.test(text.trim()) && Number(text) > 0 && Number(text) <= most

const handedOut = (line: PrescriptionLine, value: number): HandedOut => ({
  request: line.id,
  quantity: { ...line.ordered, value },
})
