/** A button that cannot be pressed twice while its work is under way. */

import type { ButtonHTMLAttributes, ComponentChildren } from 'preact'
import { t } from '../i18n'

interface Props extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'label'> {
  look?: 'primary' | 'danger' | 'plain'
  busy?: boolean
  testid?: string
  children: ComponentChildren
}

export function Button({ look = 'plain', busy = false, testid, children, ...rest }: Props) {
  return (
    <button type="button" {...rest} class={`button-${look}`} disabled={busy || rest.disabled} data-testid={testid}>
      {busy ? t('working') : children}
    </button>
  )
}
