/** Look a medicine up, then say dose, times a day and days; the quantity follows. */

import type { Medication } from 'fhir/r4'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { conceptText } from '../fhir/read'
import { language, t } from '../i18n'
import { Button } from '../parts/Button'
import { Search } from '../parts/Search'
import { productOf } from './dose'
import { LineForm } from './LineForm'
import type { Context } from './line'
import { findMedicines } from './prescription'
import { unitIn } from './words'

interface Props {
  context: Context
  again: () => void
  /** What may be done while no line is half written. */
  children: ComponentChildren
}

export function AddLine({ context, again, children }: Props) {
  const [medication, setMedication] = useState<Medication | null>(null)
  const [turn, setTurn] = useState(0)
  const done = () => {
    setMedication(null)
    setTurn(turn + 1)
    again()
  }
  if (medication) {
    return <LineForm key={medication.id} medication={medication} context={context} onDone={done} onCancel={() => setMedication(null)} />
  }
  return (
    <>
      <Search key={turn} id="medicine-search" label={t('rx.search')} hint={t('rx.search-hint')} look={findMedicines}>
        {(one) => (
          <li key={one.id} class="found">
            <span><strong>{conceptText(one.code, language.value)}</strong> {describe(one)}</span>
            <Button testid={`choose-${one.id}`} onClick={() => setMedication(one)}>{t('rx.choose')}</Button>
          </li>
        )}
      </Search>
      {children}
    </>
  )
}

/** `5 mg × 28 片`. */
export function describe(medication: Medication): string {
  const { strength, unit, perPack } = productOf(medication)
  const held = strength ? `${strength.value} ${unitIn(strength.unit, language.value)}` : conceptText(medication.form, language.value)
  return perPack ? `${held} × ${perPack} ${unitIn(unit, language.value)}` : held
}
