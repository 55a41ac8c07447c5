/** The words of the page, in the reader's language. */

import { effect, signal } from '@preact/signals'
import type { Failure } from '../fhir/failure'
import { en } from './en'
import { zh, type Key } from './zh-CN'

export type Language = 'zh-CN' | 'en'
export type { Key }
type Values = Record<string, string | number>

const KEPT = 'yuzhen.language'
const dictionaries: Record<Language, Record<Key, string>> = { 'zh-CN': zh, en }

export const language = signal<Language>('zh-CN')

/** Take the language chosen before, or the browser's, and keep the page's `lang` in step. */
export function followLanguage(): void {
  const kept = localStorage.getItem(KEPT) ?? navigator.language
  language.value = kept.startsWith('en') ? 'en' : 'zh-CN'
  effect(() => {
    document.documentElement.lang = language.value
    localStorage.setItem(KEPT, language.value)
  })
}

export function t(key: Key, values: Values = {}): string {
  return filled(dictionaries[language.value][key], values)
}

/** The words for a key that is put together while the page runs, such as `status.booked`. */
export function maybe(key: string): string | undefined {
  return key in zh ? t(key as Key) : undefined
}

export function filled(words: string, values: Values): string {
  return words.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** What went wrong, in the reader's language: by the failure's code, else by the rule it names, else the server's words. */
export function failureWords(failure: Failure): string {
  const rule = /\b[A-Z\d]+-\d\d\b/.exec(`${failure.code.toUpperCase()} ${failure.message} ${failure.diagnostics}`)?.[0]
  const known = maybe(`failure.${failure.code}`) ?? (rule && maybe(`rule.${rule}`))
  if (known) return known
  const said = [failure.message, failure.diagnostics].filter(Boolean).join(' ')
  return said ? t('failure.said', { said }) : t('failure.unexplained')
}
