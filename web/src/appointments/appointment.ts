/** What a page wants to know of an Appointment: https://hl7.org/fhir/R4/appointment.html. */

import type { Appointment, Reference } from 'fhir/r4'
import { actor, extension, within } from '../fhir/read'

const OPENS_BEFORE = 30 * 60_000

export type TicketState = 'waiting' | 'called' | 'in-visit' | 'done' | 'missed'

export interface Ticket {
  number: number
  state: TicketState
}

export function ticketOf(appointment: Appointment): Ticket | undefined {
  const ticket = extension(appointment, 'ticket')
  const number = within(ticket, 'number')?.valuePositiveInt
  const state = within(ticket, 'state')?.valueCode as TicketState | undefined
  return number && state ? { number, state } : undefined
}

export const holdExpires = (appointment: Appointment): string | undefined =>
  extension(appointment, 'hold-expires')?.valueInstant

/** `VR` by video, `AMB` in the hospital; undefined where the time is open to both. */
export function visitType(appointment: Appointment): 'VR' | 'AMB' | undefined {
  const codes = appointment.serviceType?.flatMap((type) => type.coding ?? []).map((coding) => coding.code) ?? []
  const offered = (['VR', 'AMB'] as const).filter((code) => codes.includes(code))
  return offered.length === 1 ? offered[0] : undefined
}

export const priorDiagnosis = (appointment: Appointment): string | undefined =>
  appointment.supportingInformation?.map((one) => one.reference).find((one) => one?.startsWith('DocumentReference/'))

/** When a patient at home may check in, half an hour before the start. */
export const checkInOpens = (appointment: Appointment): Date =>
  new Date(new Date(appointment.start ?? 0).getTime() - OPENS_BEFORE)

/** Whether the room may be entered: the patient has been called and the visit is not over. */
export function isCalled(appointment: Appointment): boolean {
  const state = ticketOf(appointment)?.state
  return state === 'called' || state === 'in-visit'
}

export interface Who<Name> {
  doctor: Name
  service: Name
  location: Name
  patient: Name
}

/** The participants of an appointment, each turned into what `as` makes of it. */
export function who<Name>(appointment: Appointment, as: (reference: Reference | undefined) => Name): Who<Name> {
  return {
    doctor: as(actor(appointment, 'Practitioner')),
    service: as(actor(appointment, 'HealthcareService')),
    location: as(actor(appointment, 'Location')),
    patient: as(actor(appointment, 'Patient')),
  }
}

export interface Times {
  day: string
  /** The times of one doctor each. */
  doctors: Appointment[][]
}

/** Proposed times by day, then by doctor, both in order of time. */
export function byDay(proposed: Appointment[], dayOf: (start: string) => string): Times[] {
  const days = new Map<string, Map<string, Appointment[]>>()
  const inOrder = [...proposed].sort((a, b) => Date.parse(a.start ?? '') - Date.parse(b.start ?? ''))
  for (const appointment of inOrder) {
    const doctors = getOr(days, dayOf(appointment.start ?? ''), () => new Map<string, Appointment[]>())
    getOr(doctors, actor(appointment, 'Practitioner')?.reference ?? '', () => []).push(appointment)
  }
  return [...days].map(([day, doctors]) => ({ day, doctors: [...doctors.values()] }))
}

function getOr<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make()
  map.set(key, found)
  return found
}
