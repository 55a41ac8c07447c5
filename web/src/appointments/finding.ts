/** Free times in portions: as many requests as it takes to have something to show. */

import type { Appointment } from 'fhir/r4'
import { visitType } from './appointment'

export const PORTION = 300
const FURTHEST = 14 * 24 * 3600_000
const MOST_REQUESTS = 12
const MINUTE = 60_000

export interface Found {
  times: Appointment[]
  /** Whether later times may exist. */
  more: boolean
}

export type Finder = (start: Date, end: Date) => Promise<Appointment[]>

/** The first `portions` portions that hold times of this kind, out of the coming fourteen days. */
export async function freeTimes(find: Finder, kind: 'VR' | 'AMB', now: Date, portions: number): Promise<Found> {
  const end = new Date(now.getTime() + FURTHEST)
  const seen = new Map<string, Appointment>()
  let [start, filled] = [now, 0]
  for (let request = 0; request < MOST_REQUESTS && filled < portions; request += 1) {
    const portion = await find(start, end)
    const fresh = portion.filter((one) => !seen.has(one.id ?? ''))
    for (const one of fresh) seen.set(one.id ?? '', one)
    if (portion.length < PORTION) return { times: ofKind(seen, kind), more: false }
    if (fresh.some((one) => isOfKind(one, kind))) filled += 1
    start = next(portion, start, fresh.length > 0)
  }
  return { times: ofKind(seen, kind), more: true }
}

/** The next portion begins where this one ended; other doctors may have a time at that same minute. */
function next(portion: Appointment[], start: Date, advanced: boolean): Date {
  const latest = Math.max(...portion.map((one) => Date.parse(one.start ?? '')))
  return new Date(advanced ? latest : Math.max(latest, start.getTime()) + MINUTE)
}

const isOfKind = (one: Appointment, kind: 'VR' | 'AMB'): boolean => (visitType(one) ?? kind) === kind

const ofKind = (seen: Map<string, Appointment>, kind: 'VR' | 'AMB'): Appointment[] =>
  [...seen.values()].filter((one) => isOfKind(one, kind))
