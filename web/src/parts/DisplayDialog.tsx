/** Colours and text size, to choose. */

import type { Signal } from '@preact/signals'
import { SIZES, size, theme, THEMES } from '../display'
import { t, type Key } from '../i18n'
import { Dialog } from './Dialog'

export function DisplayDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t('display')} onClose={onClose}>
      <form method="dialog">
        <Choices legend="display.size" name="size" all={SIZES} chosen={size} />
        <Choices legend="display.theme" name="theme" all={THEMES} chosen={theme} />
        <button class="button-primary">{t('done')}</button>
      </form>
    </Dialog>
  )
}

interface ChoicesProps<T extends string> {
  legend: Key
  name: 'size' | 'theme'
  all: readonly T[]
  chosen: Signal<T>
}

function Choices<T extends string>({ legend, name, all, chosen }: ChoicesProps<T>) {
  return (
    <fieldset>
      <legend>{t(legend)}</legend>
      {all.map((one) => (
        <label class="choice" key={one}>
          <input type="radio" name={name} value={one} checked={chosen.value === one} onChange={() => (chosen.value = one)} />
          <span>{t(`${name}.${one}` as Key)}</span>
        </label>
      ))}
    </fieldset>
  )
}
