/** What a doctor types for one line, and what is wrong with it. */

import type { Medication } from 'fhir/r4'
import { t } from '../i18n'
import type { Errors } from '../parts/Form'
import { isDose, type Course } from './dose'
import { ROUTES, type Route } from './line'

/** A week's supply; more needs a written reason (RX-03). */
export const MOST_DAYS = 7
const LONGEST = 84
const MOST_TIMES = 12

export interface Entry {
  dose: string
  doseUnit: string
  times: string
  days: string
  route: Route
  quantity: string
  reason: string
}

export const emptyEntry: Entry = { dose: '', doseUnit: '', times: '', days: '', route: 'oral', quantity: '', reason: '' }

export const courseOf = (entry: Entry): Course => ({
  dose: entry.dose.trim(),
  doseUnit: entry.doseUnit,
  timesADay: whole(entry.times, MOST_TIMES) ?? 0,
  days: whole(entry.days, LONGEST) ?? 0,
})

export function entryErrors(entry: Entry, isComputed: boolean): Errors {
  const errors: Errors = {}
  if (!isDose(entry.dose)) errors.dose = t('rx.dose-wrong')
  if (!whole(entry.times, MOST_TIMES)) errors.times = t('rx.times-wrong', { most: MOST_TIMES })
  if (!whole(entry.days, LONGEST)) errors.days = t('rx.days-wrong', { most: LONGEST })
  if (Number(entry.days) > MOST_DAYS && !entry.reason.trim()) errors.reason = t('rx.long-missing')
  if (isComplete(entry) && !isComputed && !isDose(entry.quantity)) errors.quantity = t('rx.quantity-wrong')
  return errors
}

/** Whether dose, times and days are all there, so that only the quantity may be missing. */
export const isComplete = (entry: Entry): boolean => {
  const course = courseOf(entry)
  return isDose(entry.dose) && course.timesADay > 0 && course.days > 0
}

const BY_FORM: [pattern: RegExp, route: Route][] = [
  [/eye|ophthalmic/, 'ophthalmic'], [/ear/, 'otic'], [/nasal/, 'nasal'], [/inhal|nebul/, 'inhalation'],
  [/subcutaneous/, 'subcutaneous'], [/intramuscular/, 'intramuscular'], [/vaginal/, 'vaginal'],
  [/sublingual/, 'sublingual'], [/enema|rectal|suppository/, 'rectal'], [/transdermal/, 'transdermal'],
  [/cream|gel|ointment|lotion|tincture|topical|plaster/, 'topical'],
]

/** The route a dosage form suggests; the doctor may choose another. */
export function routeOf(medication: Medication): Route {
  const form = medication.form?.coding?.[0]?.display?.toLowerCase() ?? ''
  const found = BY_FORM.find(([pattern]) => pattern.test(form))?.[1]
  return found && found in ROUTES ? found : 'oral'
}

function whole(text: string, most: number): number | undefined {
  const value = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0
  return value >= 1 && value <= most ? value : undefined
}
