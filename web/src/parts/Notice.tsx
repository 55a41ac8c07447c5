/** Boxes that say something: good, bad, or to be known. Meaning is in the word and mark, never in colour alone. */

import type { ComponentChildren } from 'preact'
import type { Failure } from '../fhir/failure'
import { failureWords, t } from '../i18n'

type Tone = 'good' | 'bad' | 'warn' | 'plain'
const MARK: Record<Tone, string> = { good: '✓', bad: '!', warn: '!', plain: 'i' }

export function Notice(props: { tone?: Tone; role?: 'alert' | 'status'; testid?: string; children: ComponentChildren }) {
  const tone = props.tone ?? 'plain'
  return (
    <div class={`notice notice-${tone}`} role={props.role} data-testid={props.testid}>
      <span class="notice-mark" aria-hidden="true">{MARK[tone]}</span>
      <div>{props.children}</div>
    </div>
  )
}

export function Refusal(props: { failure?: Failure | null; again?: () => void }) {
  if (!props.failure) return null
  return (
    <Notice tone="bad" role="alert" testid="failure">
      <p>{failureWords(props.failure)}</p>
      {props.again && <button type="button" class="button-plain" onClick={props.again}>{t('again')}</button>}
    </Notice>
  )
}

export function Loading() {
  return <p class="loading" role="status">{t('loading')}</p>
}

export function Badge(props: { tone?: Tone; testid?: string; children: ComponentChildren }) {
  return <span class={`badge badge-${props.tone ?? 'plain'}`} data-testid={props.testid}>{props.children}</span>
}
