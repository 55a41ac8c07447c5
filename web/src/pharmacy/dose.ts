/** How much to hand out: exact arithmetic from one dose, times a day and days. Units are UCUM codes. */

import type { Medication } from 'fhir/r4'

export interface Product {
  /** What is counted when handing out: `{tablet}`, `mL`. */
  unit: string
  perPack?: number
  /** How much one unit holds, where that is known for a single ingredient. */
  strength?: { value: number; unit: string }
}

export interface Course {
  dose: string
  doseUnit: string
  timesADay: number
  days: number
}

export function productOf(medication: Medication): Product {
  const pack = medication.amount?.numerator
  const strengths = medication.ingredient?.flatMap((one) => one.strength ?? []) ?? []
  const single = medication.ingredient?.length === 1 ? strengths[0] : undefined
  const unit = pack?.code ?? single?.denominator?.code ?? '{unit}'
  const held = single?.numerator
  const fits = held?.value && held.code && single?.denominator?.code === unit && single.denominator.value === 1
  return { unit, perPack: pack?.value, strength: fits ? { value: held.value!, unit: held.code! } : undefined }
}

/** In which units a doctor may state the dose, the usual one first. Drops fit any liquid, but nobody knows how many make a mL. */
export function doseUnits(product: Product): string[] {
  const known = product.strength ? [product.strength.unit, product.unit] : [product.unit]
  return [...new Set(product.unit === 'mL' ? [...known, '[drp]'] : known)]
}

/** Units to hand out for the whole course, rounded up to whole ones; undefined when the dose cannot be converted. */
export function quantityOf(course: Course, product: Product): number | undefined {
  const dose = fraction(course.dose)
  if (!dose) return undefined
  const times = BigInt(course.timesADay * course.days)
  if (course.doseUnit === product.unit) return roundedUp(dose.over * times, dose.under)
  if (course.doseUnit !== product.strength?.unit) return undefined
  const held = fraction(String(product.strength.value))
  return held && roundedUp(dose.over * held.under * times, dose.under * held.over)
}

/** Whole packs that hold so many units. */
export const packsOf = (quantity: number, product: Product): number | undefined =>
  product.perPack ? Math.ceil(quantity / product.perPack) : undefined

/** Whether the text is a positive decimal number a dose may be: at most three decimals. */
export const isDose = (text: string): boolean => /^\d{1,6}(\.\d{1,3})?$/.test(text.trim()) && Number(text) > 0

function fraction(text: string): { over: bigint; under: bigint } | undefined {
  const matched = /^(\d+)(?:\.(\d+))?$/.exec(text.trim())
  if (!matched) return undefined
  const decimals = matched[2] ?? ''
  return { over: BigInt(`${matched[1]}${decimals}`), under: 10n ** BigInt(decimals.length) }
}

function roundedUp(over: bigint, under: bigint): number | undefined {
  return under === 0n ? undefined : Number((over + under - 1n) / under)
}
