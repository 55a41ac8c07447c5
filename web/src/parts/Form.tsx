/** Fields with their labels and errors, and the summary that leads to the fields in error. */

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../i18n'

/** Field id to what is wrong with it. */
export type Errors = Record<string, string>

export function ErrorSummary(props: { errors: Errors }) {
  const box = useRef<HTMLDivElement>(null)
  const entries = Object.entries(props.errors)
  useEffect(() => {
    if (entries.length) box.current?.focus()
  }, [props.errors])
  if (!entries.length) return null
  return (
    <div class="summary" ref={box} tabIndex={-1} role="alert" data-testid="error-summary">
      <h2>{t('form.check')}</h2>
      <ul>
        {entries.map(([id, words]) => (
          <li key={id}><a href={`#${id}`} onClick={(event) => leadTo(event, id)}>{words}</a></li>
        ))}
      </ul>
    </div>
  )
}

interface FieldProps {
  id: string
  label: string
  hint?: string
  error?: string
  children: (described: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: boolean }) => ComponentChildren
}

/** A label, its control, a hint and an error, tied together for every reader. */
export function Field(props: FieldProps) {
  const notes = [props.hint && `${props.id}-hint`, props.error && `${props.id}-error`].filter(Boolean).join(' ')
  return (
    <div class="field">
      <label for={props.id}>{props.label}</label>
      {props.hint && <p class="hint" id={`${props.id}-hint`}>{props.hint}</p>}
      {props.error && <p class="error" id={`${props.id}-error`}>{props.error}</p>}
      {props.children({
        id: props.id,
        'aria-describedby': notes || undefined,
        'aria-invalid': props.error ? true : undefined,
      })}
    </div>
  )
}

interface SelectProps {
  id: string
  label: string
  value: string
  options: [value: string, words: string][]
  onChange: (value: string) => void
  /** Words of the first, empty choice; without it there is none. */
  any?: string
  disabled?: boolean
}

export function Select(props: SelectProps) {
  return (
    <Field id={props.id} label={props.label}>
      {(described) => (
        <select {...described} data-testid={props.id} value={props.value} disabled={props.disabled}
          onChange={(event) => props.onChange(event.currentTarget.value)}>
          {props.any !== undefined && <option value="">{props.any}</option>}
          {props.options.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
        </select>
      )}
    </Field>
  )
}

/** Runs `work` on submit, without leaving the page. */
export const onSubmit = (work: () => unknown) => (event: Event): void => {
  event.preventDefault()
  void work()
}

// The part behind # names our page, so a link to a field must not change it.
function leadTo(event: Event, id: string): void {
  event.preventDefault()
  document.getElementById(id)?.focus()
}
