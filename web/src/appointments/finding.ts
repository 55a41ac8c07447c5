/** Free times in portions, soonest first. */

import type { Appointment } from 'fhir/r4'

export const PORTION = 300
const FURTHEST = 14 * 24 * 3600_000
const MINUTE = 60_000

export interface Found {
  times: Appointment[]
  /** Whether later times may exist. */
  more: boolean
}

export type Finder = (start: Date, end: Date) => Promise<Appointment[]>

/** So many portions of the free times of the coming fourteen days. */
export async function freeTimes(find: Finder, now: Date, portions: number): Promise<Found> {
  const end = new Date(now.getTime() + FURTHEST)
  const seen = new Map<string, Appointment>()
  let start = now
  for (let turn = 0; turn < portions; turn += 1) {
    const portion = await find(start, end)
    const known = seen.size
    for (const one of portion) seen.set(one.id ?? '', one)
    if (portion.length < PORTION) return { times: [...seen.values()], more: false }
    start = next(portion, seen.size > known)
  }
  return { times: [...seen.values()], more: true }
}

/** The next portion begins where this one ended; other doctors may have a time at that same minute. */
function next(portion: Appointment[], advanced: boolean): Date {
  const latest = Math.max(...portion.map((one) => Date.parse(one.start ?? '')))
  return new Date(advanced ? latest : latest + MINUTE)
}
