/** A page: its heading takes the focus when the page comes up, and names the window. */

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../i18n'

let first = true

export function Page(props: { title: string; wide?: boolean; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    // On the first page the browser's own focus is right: the reader starts at the top.
    if (!first) heading.current?.focus()
    first = false
  }, [])
  useEffect(() => {
    document.title = `${props.title} · ${t('brand')}`
  }, [props.title])
  return (
    <div class={props.wide ? 'page page-wide' : 'page'}>
      <h1 ref={heading} tabIndex={-1}>{props.title}</h1>
      {props.children}
    </div>
  )
}
