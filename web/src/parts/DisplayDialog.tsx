/** Colours and text size, to choose. */

import type { Signal } from '@preact/signals'
import { SIZES, size, theme, THEMES } from '../display'
import { t } from '../i18n'
import { Dialog } from './Dialog'

export function DisplayDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t('display')} onClose={onClose}>
      <form method="dialog">
        <Choices legend={t('display.size')} name="size" all={SIZES} chosen={size} words={(one) => t(`size.${one}`)} />
        <Choices legend={t('display.theme')} name="theme" all={THEMES} chosen={theme} words={(one) => t(`theme.${one}`)} />
        <button class="button-primary">{t('done')}</button>
      </form>
    </Dialog>
  )
}

interface ChoicesProps<T extends string> {
  legend: string
  name: string
  all: readonly T[]
  chosen: Signal<T>
  words: (one: T) => string
}

function Choices<T extends string>({ legend, name, all, chosen, words }: ChoicesProps<T>) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {all.map((one) => (
        <label class="choice" key={one}>
          <input type="radio" name={name} value={one} checked={chosen.value === one} onChange={() => (chosen.value = one)} />
          <span>{words(one)}</span>
        </label>
      ))}
    </fieldset>
  )
}
