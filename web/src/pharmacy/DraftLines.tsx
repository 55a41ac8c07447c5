/** Lines that are written but not signed yet. */

import { t } from '../i18n'
import { Button } from '../parts/Button'
import { Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import type { PrescriptionLine } from './document'
import { dosage } from './Lines'
import { removeLine } from './prescription'

export function DraftLines({ lines, again }: { lines: PrescriptionLine[]; again: () => void }) {
  const removing = useCommand()
  if (!lines.length) return null
  return (
    <>
      <h3>{t('rx.drafts')}</h3>
      <ol class="lines" data-testid="draft-lines">
        {lines.map((line) => (
          <li key={line.id} class="draft" data-testid="draft-line">
            <div>
              <p><strong>{line.medicine} {line.strength}</strong> · {line.quantity}</p>
              <p>{dosage(line)}</p>
              {line.reason && <p class="hint">{t('rx.reason')} {line.reason}</p>}
            </div>
            <Button busy={removing.busy} testid="remove-line" aria-label={t('rx.remove-line', { medicine: line.medicine })}
              onClick={() => void removing.run(() => removeLine(line.id)).then(again)}>{t('rx.remove')}</Button>
          </li>
        ))}
      </ol>
      <Refusal failure={removing.failure} />
    </>
  )
}
