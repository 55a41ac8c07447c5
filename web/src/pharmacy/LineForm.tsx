/** One line of a prescription, being written. */

import type { Medication } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { conceptText } from '../fhir/read'
import { language, t } from '../i18n'
import { Button } from '../parts/Button'
import { ErrorSummary, Field, onSubmit, Select, type Errors } from '../parts/Form'
import { Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { describe } from './AddLine'
import { doseUnits, packsOf, productOf } from './dose'
import { computedQuantity, ROUTES, type Context, type Route } from './line'
import { courseOf, emptyEntry, entryErrors, isComplete, MOST_DAYS, routeOf, type Entry } from './lineEntry'
import { addLine } from './prescription'
import { unitIn } from './words'

interface Props {
  medication: Medication
  context: Context
  onDone: () => void
  onCancel: () => void
}

export function LineForm({ medication, context, onDone, onCancel }: Props) {
  const product = productOf(medication)
  const units = doseUnits(product)
  const [entry, setEntry] = useState<Entry>({ ...emptyEntry, doseUnit: units[0]!, route: routeOf(medication) })
  const [errors, setErrors] = useState<Errors>({})
  const adding = useCommand()
  const set = (changed: Partial<Entry>) => setEntry({ ...entry, ...changed })
  const computed = computedQuantity(courseOf(entry), medication)
  const quantity = computed ?? Number(entry.quantity)
  const needsQuantity = computed === undefined && isComplete(entry)
  async function add(): Promise<void> {
    const wrong = entryErrors(entry, computed !== undefined)
    setErrors(wrong)
    if (Object.keys(wrong).length) return
    const line = { medication, course: courseOf(entry), route: entry.route, quantity, reason: entry.reason.trim() }
    if (await adding.run(() => addLine(line, context))) onDone()
  }
  const field = (id: 'dose' | 'times' | 'days' | 'quantity' | 'reason', label: string, mode: 'decimal' | 'numeric' | 'text', hint?: string) => (
    <Field id={id} label={label} hint={hint} error={errors[id]}>
      {(described) => (
        <input {...described} inputMode={mode} autoComplete="off" value={entry[id]} data-testid={id}
          onInput={(event) => set({ [id]: event.currentTarget.value })} />
      )}
    </Field>
  )
  return (
    <form class="line-form" noValidate onSubmit={onSubmit(add)} data-testid="line-form">
      <h3>{conceptText(medication.code, language.value)} <span class="hint">{describe(medication)}</span></h3>
      <ErrorSummary errors={errors} />
      <div class="fields">
        {field('dose', t('rx.dose'), 'decimal')}
        <Select id="dose-unit" label={t('rx.dose-unit')} value={entry.doseUnit} onChange={(doseUnit) => set({ doseUnit })}
          options={units.map((unit) => [unit, unitIn(unit, language.value)])} />
        {field('times', t('rx.times'), 'numeric')}
        {field('days', t('rx.days'), 'numeric')}
        <Select id="route" label={t('rx.route')} value={entry.route} onChange={(route) => set({ route: route as Route })}
          options={(Object.keys(ROUTES) as Route[]).map((route) => [route, t(`route.${route}`)])} />
      </div>
      {Number(entry.days) > MOST_DAYS && field('reason', t('rx.long-reason'), 'text', t('rx.long-hint'))}
      {needsQuantity && field('quantity', t('rx.quantity-in', { unit: unitIn(product.unit, language.value) }), 'decimal')}
      <output class="computed" data-testid="computed-quantity">
        {computed !== undefined && `${t('rx.quantity')} ${quantity} ${unitIn(product.unit, language.value)}`}
        {computed !== undefined && product.perPack && ` (${t('rx.packs', { count: packsOf(quantity, product)! })})`}
      </output>
      <Refusal failure={adding.failure} />
      <div class="actions">
        <Button type="submit" look="primary" busy={adding.busy} testid="add-line">{t('rx.add')}</Button>
        <Button onClick={onCancel}>{t('rx.other-medicine')}</Button>
      </div>
    </form>
  )
}
