import type { Medication } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { language } from '../src/i18n'
import { doseUnits, isDose, packsOf, productOf, quantityOf } from '../src/pharmacy/dose'
import { courseOf, emptyEntry, entryErrors, routeOf } from '../src/pharmacy/lineEntry'
import { dosageText, draft } from '../src/pharmacy/line'
import { unitIn } from '../src/pharmacy/words'

const ratio = (value: number, unit: string, per: string) => ({ numerator: { value, code: unit }, denominator: { value: 1, code: per } })

const tablets: Medication = {
  resourceType: 'Medication',
  id: 'amlodipine-tab-5mg',
  code: { text: '苯磺酸氨氯地平片' },
  amount: ratio(28, '{tablet}', '{pack}'),
  ingredient: [{ itemCodeableConcept: {}, strength: ratio(5, 'mg', '{tablet}') }],
}
const syrup: Medication = {
  resourceType: 'Medication',
  amount: ratio(100, 'mL', '{pack}'),
  ingredient: [{ itemCodeableConcept: {}, strength: ratio(6, 'mg', 'mL') }],
}
const compound: Medication = {
  resourceType: 'Medication',
  amount: ratio(20, '{tablet}', '{pack}'),
  ingredient: [
    { itemCodeableConcept: {}, strength: ratio(0.5, 'mg', '{tablet}') },
    { itemCodeableConcept: {}, strength: ratio(10, 'mg', '{tablet}') },
  ],
}

const quantity = (medication: Medication, dose: string, doseUnit: string, timesADay: number, days: number) =>
  quantityOf({ dose, doseUnit, timesADay, days }, productOf(medication))

describe('quantity', () => {
  it.each([
    ['5', 'mg', 1, 7, 7],
    ['2.5', 'mg', 2, 7, 7],
    ['2.5', 'mg', 1, 7, 4],
    ['10', 'mg', 2, 14, 56],
    ['1', '{tablet}', 3, 7, 21],
    ['0.5', '{tablet}', 1, 7, 4],
  ])('of %s %s, %i times a day for %i days of 5 mg tablets is %i tablets', (dose, unit, times, days, tablet) => {
    expect(quantity(tablets, dose, unit, times, days)).toBe(tablet)
  })

  it('is exact where floating point is not', () => {
    // 0.1 / 0.3 * 3 * 7 is 7.000000000000001 in floating point, which would round up to one too many.
    const fine: Medication = { ...tablets, ingredient: [{ itemCodeableConcept: {}, strength: ratio(0.3, 'mg', '{tablet}') }] }
    expect(quantity(fine, '0.1', 'mg', 3, 7)).toBe(7)
  })

  it('of a syrup is in mL', () => {
    expect(quantity(syrup, '60', 'mg', 3, 7)).toBe(210)
  })

  it('cannot be computed from drops, from a foreign unit or from no number', () => {
    expect(quantity(syrup, '2', '[drp]', 3, 7)).toBeUndefined()
    expect(quantity(compound, '10', 'mg', 1, 7)).toBeUndefined()
    expect(quantity(tablets, '', 'mg', 1, 7)).toBeUndefined()
    expect(quantity(tablets, '5,0', 'mg', 1, 7)).toBeUndefined()
  })

  it('fills whole packs', () => {
    expect([packsOf(28, productOf(tablets)), packsOf(29, productOf(tablets))]).toEqual([1, 2])
  })
})

describe('dose', () => {
  it('is stated in the strength of a single ingredient first, in countable units for a compound', () => {
    expect(doseUnits(productOf(tablets))).toEqual(['mg', '{tablet}'])
    expect(doseUnits(productOf(compound))).toEqual(['{tablet}'])
    expect(doseUnits(productOf(syrup))).toEqual(['mg', 'mL', '[drp]'])
  })

  it('is a positive number with three decimals at most', () => {
    expect(['5', '0.125', ' 2.5 '].map(isDose)).toEqual([true, true, true])
    expect(['0', '-1', '1e3', '0.0001', '5mg', '', '.5'].map(isDose)).toEqual(Array(7).fill(false))
  })
})

describe('line', () => {
  const entry = { ...emptyEntry, dose: '5', doseUnit: 'mg', times: '1', days: '7' }

  it('is right when everything is there', () => {
    expect(entryErrors(entry, true)).toEqual({})
    expect(courseOf(entry)).toEqual({ dose: '5', doseUnit: 'mg', timesADay: 1, days: 7 })
  })

  it('names each field that is wrong', () => {
    expect(Object.keys(entryErrors(emptyEntry, false))).toEqual(['dose', 'times', 'days'])
    expect(Object.keys(entryErrors({ ...entry, times: '1.5', days: '85' }, true))).toEqual(['times', 'days', 'reason'])
    expect(Object.keys(entryErrors(entry, false))).toEqual(['quantity'])
  })

  it('needs a reason for more than a week (RX-03)', () => {
    expect(Object.keys(entryErrors({ ...entry, days: '8' }, true))).toEqual(['reason'])
    expect(entryErrors({ ...entry, days: '8', reason: '慢性病' }, true)).toEqual({})
  })

  it('becomes a draft MedicationRequest with exact dose, timing, quantity and supply', () => {
    language.value = 'en'
    const line = { medication: tablets, course: courseOf(entry), route: 'oral' as const, quantity: 7, reason: '' }
    const context = {
      encounter: { resourceType: 'Encounter' as const, id: 'e1', status: 'in-progress' as const, class: {}, subject: { reference: 'Patient/p1' } },
      doctor: 'Practitioner/d1',
      group: 'g1',
      diagnosis: { resourceType: 'Condition' as const, id: 'c1', subject: {}, code: { text: '高血压' } },
    }
    expect(draft(line, context)).toMatchObject({
      status: 'draft',
      intent: 'order',
      medicationReference: { reference: 'Medication/amlodipine-tab-5mg' },
      subject: { reference: 'Patient/p1' },
      encounter: { reference: 'Encounter/e1' },
      requester: { reference: 'Practitioner/d1' },
      reasonReference: [{ reference: 'Condition/c1' }],
      groupIdentifier: { system: 'https://yuzhen.example/fhir/prescription', value: 'g1' },
      dosageInstruction: [
        {
          text: '每次5mg，每日1次，口服，共7天',
          timing: { repeat: { frequency: 1, period: 1, periodUnit: 'd' } },
          doseAndRate: [{ doseQuantity: { value: 5, code: 'mg' } }],
        },
      ],
      dispenseRequest: {
        quantity: { value: 7, code: '{tablet}', unit: 'tablet' },
        expectedSupplyDuration: { value: 7, code: 'd' },
      },
    })
    expect(draft(line, context)).not.toHaveProperty('note')
  })

  it('says the dosage in plain Chinese whatever the page speaks', () => {
    const course = { dose: '0.5', doseUnit: '{tablet}', timesADay: 2, days: 14 }
    expect(dosageText({ course, route: 'sublingual' })).toBe('每次0.5片，每日2次，舌下，共14天')
  })

  it('suggests the route from the dosage form', () => {
    const of = (display: string) => routeOf({ resourceType: 'Medication', form: { coding: [{ display }] } })
    expect(['tablet', 'eye drops', 'cream', 'dry powder inhaler', 'injection (subcutaneous)', 'nasal spray', 'sublingual tablet'].map(of))
      .toEqual(['oral', 'ophthalmic', 'topical', 'inhalation', 'subcutaneous', 'nasal', 'sublingual'])
  })

  it('names units in the language of the reader', () => {
    expect([unitIn('{tablet}', 'zh-CN'), unitIn('{tablet}', 'en'), unitIn('mg', 'zh-CN'), unitIn('ug', 'en')]).toEqual(['片', 'tablet', 'mg', 'μg'])
  })
})
