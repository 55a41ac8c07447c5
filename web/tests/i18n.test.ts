import { describe, expect, it } from 'vitest'
import { Failure } from '../src/fhir/failure'
import { failureWords, filled, language, t } from '../src/i18n'
import { en } from '../src/i18n/en'
import { age, countdown, day, isoDay, time } from '../src/i18n/format'
import { zh, type Key } from '../src/i18n/zh-CN'

const keys = Object.keys(zh) as Key[]
const places = (words: string): string[] => [...words.matchAll(/\{(\w+)\}/g)].map((one) => one[1]!).sort()

// Vite reads the sources as text; a key that no source names is a key nobody needs.
const sources = Object.values(import.meta.glob('../src/**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true })) as string[]

describe('dictionaries', () => {
  it('have the same keys in the same order', () => {
    expect(Object.keys(en)).toEqual(keys)
  })

  it('have words for every key, with the same places to fill in', () => {
    for (const key of keys) {
      expect(en[key].trim(), key).not.toBe('')
      expect(zh[key].trim(), key).not.toBe('')
      expect(places(en[key]), key).toEqual(places(zh[key]))
    }
  })

  it('speak Chinese in Chinese and English in English', () => {
    const han = /\p{Script=Han}/u
    const foreign = keys.filter((key) => han.test(en[key]))
    // The name of a medicine to type is Chinese in both.
    expect(foreign).toEqual(['rx.search-hint'])
    expect(keys.filter((key) => !han.test(zh[key]) && !['rx.packs'].includes(key))).toEqual([])
  })

  it('hold no key that the page never shows', () => {
    const text = sources.filter((one) => !one.includes('export const zh') && !one.includes('export const en:')).join('\n')
    // Keys put together at run time: `order.${state}` and the like.
    const stems = [...text.matchAll(/[`(]([a-z-]+\.)?\$\{[^}]+\}(\.[a-z]+)?`/g)].map((one) => [one[1] ?? '', one[2] ?? ''])
    const built = (key: string): boolean => stems.some(([start, end]) => key.startsWith(start!) && key.endsWith(end!))
    expect(keys.filter((key) => !text.includes(`'${key}'`) && !built(key))).toEqual([])
  })
})

describe('t', () => {
  it('follows the chosen language and fills in values', () => {
    language.value = 'en'
    expect(t('queue.ahead', { count: 3 })).toBe('3 before you')
    language.value = 'zh-CN'
    expect(t('queue.ahead', { count: 3 })).toBe('前面还有 3 人')
  })

  it('leaves a place visible that got no value', () => {
    expect(filled('{a} of {b}', { a: 1 })).toBe('1 of {b}')
  })
})

describe('failureWords', () => {
  it('goes by the code, then by the rule that is named, then by the words of the hospital', () => {
    language.value = 'en'
    expect(failureWords(new Failure(422, 'rule', 'A rule forbids this.', 'RX-02: six lines'))).toBe(en['rule.RX-02'])
    expect(failureWords(new Failure(422, 'tele-01', 'See TELE-01.'))).toBe(en['rule.TELE-01'])
    expect(failureWords(new Failure(409, 'slot-taken', 'x'))).toBe(en['failure.slot-taken'])
    expect(failureWords(new Failure(409, 'no-such-code', 'Look again.', 'Really.'))).toBe('Look again. Really.')
    expect(failureWords(new Failure(500, 'http-500', ''))).toBe(en['failure.unexplained'])
  })
})

describe('format', () => {
  it('shows the wall clock of Chongqing wherever the reader is', () => {
    language.value = 'zh-CN'
    expect(time('2026-02-28T16:05:00Z')).toBe('00:05')
    expect(isoDay('2026-02-28T16:05:00Z')).toBe('2026-03-01')
    expect(day('2026-02-28T16:05:00Z')).toContain('3月1日')
  })

  it('counts down in minutes and seconds, and ages by birthday', () => {
    expect([countdown(245.9), countdown(5)]).toEqual(['4:05', '0:05'])
    expect(age('1962-05-17', new Date('2026-05-16T12:00:00+08:00'))).toBe(63)
    expect(age('1962-05-17', new Date('2026-05-17T00:30:00+08:00'))).toBe(64)
  })
})
