/** How the page looks: theme and text size, kept in this browser. */

import { effect, signal } from '@preact/signals'

export type Theme = 'auto' | 'light' | 'dark' | 'contrast'
/** `elder` and `largest` are the large-print version (适老版). */
export type Size = 'standard' | 'elder' | 'largest'

export const THEMES: Theme[] = ['auto', 'light', 'dark', 'contrast']
export const SIZES: Size[] = ['standard', 'elder', 'largest']

export const theme = signal<Theme>('auto')
export const size = signal<Size>('standard')

const dark = matchMedia('(prefers-color-scheme: dark)')
const contrast = matchMedia('(prefers-contrast: more)')

/** Take what was chosen before, and keep the page in step with every change. */
export function followDisplay(): void {
  theme.value = kept('yuzhen.theme', THEMES) ?? 'auto'
  size.value = kept('yuzhen.size', SIZES) ?? 'standard'
  effect(() => {
    apply()
    localStorage.setItem('yuzhen.theme', theme.value)
    localStorage.setItem('yuzhen.size', size.value)
  })
  dark.addEventListener('change', apply)
  contrast.addEventListener('change', apply)
}

export function toggleElder(): void {
  size.value = size.value === 'standard' ? 'elder' : 'standard'
}

function apply(): void {
  const asked: Theme = contrast.matches ? 'contrast' : dark.matches ? 'dark' : 'light'
  document.documentElement.dataset.theme = theme.value === 'auto' ? asked : theme.value
  document.documentElement.dataset.size = size.value
}

function kept<T extends string>(name: string, allowed: T[]): T | undefined {
  return allowed.find((one) => one === localStorage.getItem(name))
}
