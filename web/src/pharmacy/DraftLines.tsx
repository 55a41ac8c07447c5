/** Lines that are written but not signed yet. */

import type { MedicationRequest } from 'fhir/r4'
import { language, t } from '../i18n'
import { Button } from '../parts/Button'
import { Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { readLine } from './document'
import { dosage } from './Lines'
import { removeLine } from './prescription'

export function DraftLines({ lines, again }: { lines: MedicationRequest[]; again: () => void }) {
  const removing = useCommand()
  if (!lines.length) return null
  return (
    <>
      <h3>{t('rx.drafts')}</h3>
      <ol class="lines" data-testid="draft-lines">
        {lines.map((line) => {
          const words = readLine(line, language.value)
          return (
            <li key={line.id} class="draft" data-testid="draft-line">
              <div>
                <p><strong>{words.medicine}</strong> · {words.quantity}</p>
                <p>{dosage(words)}</p>
                {words.reason && <p class="hint">{t('rx.reason')} {words.reason}</p>}
              </div>
              <Button busy={removing.busy} testid="remove-line" aria-label={t('rx.remove-line', { medicine: words.medicine })}
                onClick={() => void removing.run(() => removeLine(line.id!)).then(again)}>{t('rx.remove')}</Button>
            </li>
          )
        })}
      </ol>
      <Refusal failure={removing.failure} />
    </>
  )
}
