/** Days and times as the hospital's wall clock shows them: always Chongqing time, wherever the reader is. */

import { language } from './index'

const ZONE = 'Asia/Shanghai'

const made = new Map<string, Intl.DateTimeFormat>()

function formatter(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = locale + JSON.stringify(options)
  const found = made.get(name) ?? new Intl.DateTimeFormat(locale, { timeZone: ZONE, ...options })
  made.set(name, found)
  return found
}

/** `2026-03-01`, for grouping and for FHIR dates. */
export const isoDay = (at: Date | string): string =>
  formatter('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date(at))

export const day = (at: Date | string): string =>
  formatter(language.value, { month: 'long', day: 'numeric', weekday: 'short' }).format(new Date(at))

export const time = (at: Date | string): string =>
  formatter(language.value, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(at))

export const dayAndTime = (at: Date | string): string => `${day(at)} ${time(at)}`

export const date = (at: Date | string): string =>
  formatter(language.value, { year: 'numeric', month: 'long', day: 'numeric' }).format(new Date(at))

/** `4:05` for 245 seconds. */
export const countdown = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`

/** Whole years between a birth date and now. */
export function age(birthDate: string, now: Date): number {
  const [born, today] = [birthDate, isoDay(now)]
  const years = Number(today.slice(0, 4)) - Number(born.slice(0, 4))
  return today.slice(5) < born.slice(5) ? years - 1 : years
}
