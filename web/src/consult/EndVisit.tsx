/** The visit is ended for both, after one more question. */

import type { Encounter } from 'fhir/r4'
import { useState } from 'preact/hooks'
import { t } from '../i18n'
import { Button } from '../parts/Button'
import { Dialog } from '../parts/Dialog'
import { Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { finish } from './encounter'

export function EndVisit({ encounter, open, again }: { encounter: Encounter; open: boolean; again: () => void }) {
  const [asking, setAsking] = useState(false)
  const ending = useCommand()
  const end = () => void ending.run(() => finish(encounter.id!)).then((done) => {
    if (done) setAsking(false)
    again()
  })
  if (!open) return null
  return (
    <div class="actions">
      <Button look="danger" testid="end-visit" onClick={() => setAsking(true)}>{t('visit.end')}</Button>
      {asking && (
        <Dialog title={t('visit.end')} onClose={() => setAsking(false)}>
          <p>{t('visit.end-ask')}</p>
          <Refusal failure={ending.failure} />
          <div class="actions">
            <Button look="danger" busy={ending.busy} testid="confirm-end" onClick={end}>{t('visit.end-confirm')}</Button>
            <Button onClick={() => setAsking(false)}>{t('visit.end-not')}</Button>
          </div>
        </Dialog>
      )}
    </div>
  )
}
