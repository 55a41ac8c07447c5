/** One line of a prescription as a MedicationRequest: https://hl7.org/fhir/R4/medicationrequest.html. */

import type { Condition, Encounter, Medication, MedicationRequest } from 'fhir/r4'
import { BASE } from '../fhir/read'
import { productOf, quantityOf, type Course } from './dose'
import { unitIn } from './words'

const UCUM = 'http://unitsofmeasure.org'
const PRESCRIPTION = `${BASE}/prescription`

export const ROUTES = {
  oral: '口服', sublingual: '舌下', topical: '外用', ophthalmic: '滴眼', otic: '滴耳', nasal: '鼻用', inhalation: '吸入',
  transdermal: '透皮', rectal: '直肠给药', vaginal: '阴道给药', subcutaneous: '皮下注射', intramuscular: '肌内注射',
} as const

export type Route = keyof typeof ROUTES

export interface Line {
  medication: Medication
  course: Course
  route: Route
  quantity: number
  /** Why the supply is longer than a week (RX-03). */
  reason: string
}

export interface Context {
  encounter: Encounter
  doctor: string
  group: string
  diagnosis: Condition
}

/** A draft line as FHIR. The dosage's text is Chinese whatever language the page speaks: it is part of the record. */
export function draft(line: Line, context: Context): MedicationRequest {
  const { medication, course, quantity } = line
  const product = productOf(medication)
  return {
    resourceType: 'MedicationRequest',
    status: 'draft',
    intent: 'order',
    medicationReference: { reference: `Medication/${medication.id}`, display: medication.code?.text },
    subject: context.encounter.subject!,
    encounter: { reference: `Encounter/${context.encounter.id}` },
    requester: { reference: context.doctor },
    reasonReference: [{ reference: `Condition/${context.diagnosis.id}`, display: context.diagnosis.code?.text }],
    groupIdentifier: { system: PRESCRIPTION, value: context.group },
    dosageInstruction: [
      {
        text: dosageText(line),
        timing: { repeat: { frequency: course.timesADay, period: 1, periodUnit: 'd' } },
        route: {
          coding: [{ system: `${BASE}/CodeSystem/route`, code: line.route, display: line.route }],
          text: ROUTES[line.route],
        },
        doseAndRate: [{ doseQuantity: ucum(Number(course.dose), course.doseUnit) }],
      },
    ],
    dispenseRequest: {
      quantity: ucum(quantity, product.unit),
      expectedSupplyDuration: { value: course.days, unit: 'd', system: UCUM, code: 'd' },
    },
    ...(line.reason ? { note: [{ text: line.reason }] } : {}),
  }
}

export function dosageText({ course, route }: Pick<Line, 'course' | 'route'>): string {
  const dose = `每次${Number(course.dose)}${unitIn(course.doseUnit, 'zh-CN')}`
  return `${dose}，每日${course.timesADay}次，${ROUTES[route]}，共${course.days}天`
}

/** The computed quantity of a line that is being written; undefined while it cannot be computed. */
export const computedQuantity = (course: Course, medication: Medication): number | undefined =>
  course.timesADay > 0 && course.days > 0 ? quantityOf(course, productOf(medication)) : undefined

const ucum = (value: number, code: string) => ({ value, unit: code.replace(/[{}]/g, ''), system: UCUM, code })
