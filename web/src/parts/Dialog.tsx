/** A real <dialog>: the browser keeps the focus inside and gives it back; Escape closes. */

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../i18n'

export function Dialog(props: { title: string; onClose: () => void; testid?: string; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
    return () => dialog.current?.close()
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={props.onClose} data-testid={props.testid}>
      <div class="dialog-top">
        <h2 id="dialog-title">{props.title}</h2>
        <button type="button" class="button-quiet" onClick={props.onClose}>{t('close')}</button>
      </div>
      {props.children}
    </dialog>
  )
}
