/** Which page is shown: the words behind the # of the address. */

import { signal } from '@preact/signals'

const read = (): string[] => location.hash.replace(/^#\/?/, '').split('/').filter(Boolean)

export const page = signal<string[]>([])

/** Begin to follow the address. */
export function follow(): void {
  page.value = read()
  addEventListener('hashchange', () => (page.value = read()))
}

export const link = (...words: string[]): string => `#/${words.join('/')}`

export function go(...words: string[]): void {
  location.hash = link(...words)
}
