/** The patient says which pharmacy gets the order. */

import { useState } from 'preact/hooks'
import { pharmacies } from '../appointments/directory'
import { nameOf } from '../fhir/read'
import { language, t } from '../i18n'
import { Button } from '../parts/Button'
import { Dialog } from '../parts/Dialog'
import { ErrorSummary, onSubmit, type Errors } from '../parts/Form'
import { Loading, Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { choosePharmacy } from './task'

interface Props {
  task: string
  onClose: () => void
  onDone: () => void
}

export function ChoosePharmacy({ task, onClose, onDone }: Props) {
  const all = useLive([], pharmacies)
  const [chosen, setChosen] = useState('')
  const [errors, setErrors] = useState<Errors>({})
  const choosing = useCommand()
  async function choose(): Promise<void> {
    setErrors(chosen ? {} : { pharmacies: t('orders.choose-missing') })
    if (chosen && (await choosing.run(() => choosePharmacy(task, chosen)))) onDone()
  }
  return (
    <Dialog title={t('orders.choose')} onClose={onClose} testid="pharmacy-dialog">
      <form noValidate onSubmit={onSubmit(choose)}>
        <ErrorSummary errors={errors} />
        <Refusal failure={all.failure ?? choosing.failure} again={all.failure && all.look} />
        {!all.value && !all.failure && <Loading />}
        <fieldset id="pharmacies" tabIndex={-1}>
          <legend>{t('orders.pharmacies')}</legend>
          {all.value?.map((one) => (
            <label class="choice" key={one.id}>
              <input type="radio" name="pharmacy" checked={chosen === one.id} onChange={() => setChosen(one.id!)} data-testid={`pharmacy-${one.id}`} />
              <span><strong>{nameOf(one, language.value)}</strong> {one.address?.[0]?.text}</span>
            </label>
          ))}
        </fieldset>
        <Button type="submit" look="primary" busy={choosing.busy} testid="confirm-pharmacy">{t('orders.send')}</Button>
      </form>
    </Dialog>
  )
}
