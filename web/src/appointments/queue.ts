/** Waiting and calling: the patient's place, the doctor's list. */

import type { Appointment, Bundle, Parameters, Schedule } from 'fhir/r4'
import * as paths from '../fhir/paths'
import { parameter, resourcesOf } from '../fhir/read'
import { server } from '../server'
import type { TicketState } from './appointment'

export interface Place {
  number?: number
  state?: TicketState
  ahead?: number
  doctorPresent?: boolean
}

export const checkIn = (appointment: string): Promise<unknown> =>
  server.command('POST', paths.operation(`Appointment/${appointment}`, 'check-in'))

export async function place(appointment: string): Promise<Place> {
  const said = await server.read<Parameters>(paths.operation(`Appointment/${appointment}`, 'queue-status'))
  const number = parameter(said, 'number')
  const state = parameter(said, 'state')
  return {
    number: number?.valuePositiveInt ?? number?.valueUnsignedInt ?? number?.valueInteger,
    state: (state?.valueCode ?? state?.valueString) as TicketState | undefined,
    ahead: parameter(said, 'ahead')?.valueUnsignedInt,
    doctorPresent: parameter(said, 'doctor-present')?.valueBoolean,
  }
}

export async function schedules(practitioner: string): Promise<Schedule[]> {
  const query = { actor: practitioner, _count: 20 }
  return resourcesOf(await server.read<Bundle>(paths.search('Schedule', query)), 'Schedule')
}

/** Today's queue of a schedule, in the order of the waiting room. */
export async function queue(schedule: string): Promise<Appointment[]> {
  return resourcesOf(
    await server.read<Bundle>(paths.operation(`Schedule/${schedule}`, 'queue')),
    'Appointment',
  )
}

/** The patient who was called, or nobody when no one waits. */
export async function callNext(schedule: string): Promise<Appointment | undefined> {
  const bundle = await server.command<Bundle>('POST', paths.operation(`Schedule/${schedule}`, 'call-next'))
  return resourcesOf(bundle, 'Appointment')[0]
}

export const recall = (appointment: string): Promise<unknown> =>
  server.command('POST', paths.operation(`Appointment/${appointment}`, 'recall'))

export const skip = (appointment: string): Promise<unknown> =>
  server.command('POST', paths.operation(`Appointment/${appointment}`, 'skip'))
