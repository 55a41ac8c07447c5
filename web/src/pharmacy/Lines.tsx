/** The lines of a prescription as a person reads them. */

import { language, t } from '../i18n'
import type { PrescriptionLine } from './document'

export function Lines({ lines }: { lines: PrescriptionLine[] }) {
  return (
    <ol class="lines" data-testid="lines">
      {lines.map((one) => (
        <li key={one.id} data-testid="line">
          <p><strong>{one.medicine} {one.strength}</strong> {one.form && <span class="hint">{one.form}</span>}</p>
          <p>{dosage(one)}</p>
          <p>{t('rx.quantity')} <strong>{one.quantity}</strong></p>
          {one.reason && <p class="hint">{t('rx.reason')} {one.reason}</p>}
        </li>
      ))}
    </ol>
  )
}

/** The dosage in the reader's language where its parts are known, else the text the doctor signed. */
export function dosage(line: PrescriptionLine): string {
  if (language.value !== 'en' || !line.dose || !line.timesADay || !line.days) return line.dosageText
  return t('rx.dosage', { dose: line.dose, times: line.timesADay, days: line.days, route: line.route })
}
