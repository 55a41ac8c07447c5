/** A signed prescription (a FHIR document Bundle) as the words a person reads. */

import type { Bundle, CodeableConcept, Medication, MedicationDispense, MedicationRequest, Organization, Patient, Practitioner, Quantity } from 'fhir/r4'
import { conceptText, idOf, nameOf, resourcesOf } from '../fhir/read'
import { productOf } from './dose'
import { unitIn } from './words'

export interface PrescriptionLine {
  id: string
  medicine: string
  form: string
  /** How much one unit holds, such as `5 mg`; empty where one number cannot say it. */
  strength: string
  dose: string
  timesADay: number
  days: number
  route: string
  dosageText: string
  quantity: string
  ordered: Quantity
  reason: string
}

export interface Prescription {
  patient?: Patient
  patientName: string
  doctor: string
  hospital: string
  authoredOn?: string
  diagnoses: CodeableConcept[]
  lines: PrescriptionLine[]
}

export function readPrescription(document: Bundle, language: string): Prescription {
  const [patient] = resourcesOf(document, 'Patient')
  const requests = resourcesOf(document, 'MedicationRequest')
  const medications = resourcesOf(document, 'Medication')
  const conditions = resourcesOf(document, 'Condition')
  const [first] = requests
  return {
    patient,
    patientName: nameOf(patient, language) || (first?.subject.display ?? idOf(first?.subject)),
    doctor: named(resourcesOf(document, 'Practitioner'), language) || (first?.requester?.display ?? idOf(first?.requester)),
    hospital: named(resourcesOf(document, 'Organization'), language),
    authoredOn: first?.authoredOn ?? document.timestamp,
    diagnoses: conditions.length
      ? conditions.map((one) => one.code ?? {})
      : (first?.reasonReference?.map((one) => ({ text: one.display })) ?? []),
    lines: readLines(requests, medications, language),
  }
}

/** The lines as words, each with its medicine where that is at hand. */
export const readLines = (lines: MedicationRequest[], medications: Medication[], language: string): PrescriptionLine[] =>
  lines.map((one) => readLine(one, language, medicationOf(one, medications)))

function readLine(line: MedicationRequest, language: string, medication?: Medication): PrescriptionLine {
  const dosage = line.dosageInstruction?.[0]
  const ordered = line.dispenseRequest?.quantity ?? {}
  const name = medication ? medication.code : line.medicationCodeableConcept
  return {
    id: line.id ?? '',
    medicine: conceptText(name, language) || (line.medicationReference?.display ?? idOf(line.medicationReference)),
    form: conceptText(medication?.form, language),
    strength: strengthOf(medication, language),
    dose: amount(dosage?.doseAndRate?.[0]?.doseQuantity, language),
    timesADay: dosage?.timing?.repeat?.frequency ?? 0,
    days: line.dispenseRequest?.expectedSupplyDuration?.value ?? 0,
    route: language === 'en' ? (dosage?.route?.coding?.[0]?.code ?? '') : conceptText(dosage?.route, language),
    dosageText: dosage?.text ?? '',
    quantity: amount(ordered, language),
    ordered,
    reason: line.note?.map((one) => one.text).join(' ') ?? '',
  }
}

function strengthOf(medication: Medication | undefined, language: string): string {
  const held = medication && productOf(medication).strength
  return held ? `${held.value} ${unitIn(held.unit, language)}` : ''
}

export function amount(quantity: Quantity | undefined, language: string): string {
  if (quantity?.value === undefined) return ''
  return `${quantity.value} ${unitIn(quantity.code ?? quantity.unit ?? '', language)}`
}

/** What is still to be handed out of a line after these hand-outs. */
export function remaining(line: PrescriptionLine, dispensed: MedicationDispense[]): number {
  const given = dispensed
    .filter((one) => one.authorizingPrescription?.some((request) => idOf(request) === line.id))
    .filter((one) => !['cancelled', 'entered-in-error', 'declined', 'stopped'].includes(one.status))
  return given.reduce((left, one) => left - (one.quantity?.value ?? 0), line.ordered.value ?? 0)
}

function medicationOf(line: MedicationRequest, medications: Medication[]): Medication | undefined {
  const contained = line.contained?.find((one): one is Medication => one.resourceType === 'Medication')
  return medications.find((one) => one.id === idOf(line.medicationReference)) ?? contained
}

const named = (all: (Practitioner | Organization)[], language: string): string => nameOf(all[0], language)
