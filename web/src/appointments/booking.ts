/** Find, hold, book: IHE Scheduling, https://profiles.ihe.net/ITI/Scheduling/. */

import type { Appointment, Bundle } from 'fhir/r4'
import { Failure } from '../fhir/failure'
import * as paths from '../fhir/paths'
import { parameters, resourcesOf } from '../fhir/read'
import { server } from '../server'
import { PORTION } from './finding'

/** By video, or in the hospital: codes of v3-ActCode. */
export type Kind = 'VR' | 'AMB'

export interface Wanted {
  district?: string
  hospital?: string
  service?: string
  practitioner?: string
}

/** Free times between two instants. */
export async function find(wanted: Wanted, kind: Kind, start: Date, end: Date): Promise<Appointment[]> {
  const named = (type: string, id?: string): string | undefined => (id ? `${type}/${id}` : undefined)
  const query = {
    start: start.toISOString(),
    end: end.toISOString(),
    district: wanted.district,
    organization: named('Organization', wanted.hospital),
    service: named('HealthcareService', wanted.service),
    practitioner: named('Practitioner', wanted.practitioner),
    'visit-type': kind,
    _count: PORTION,
  }
  return resourcesOf(await server.read<Bundle>(paths.operation('Appointment', 'find', query)), 'Appointment')
}

/** Keep a proposed time for a few minutes; answers the pending appointment. */
export async function hold(proposed: string, patient: string): Promise<Appointment> {
  return one(
    await server.command<Bundle>(
      'POST',
      paths.operation('Appointment', 'hold'),
      parameters(
        { name: 'appointment-reference', valueReference: { reference: `Appointment/${proposed}` } },
        { name: 'patient-reference', valueReference: { reference: patient } },
      ),
    ),
  )
}

export interface Choice {
  appointment: string
  patient: string
  visitType: Kind
  priorDiagnosis?: string
  comment?: string
}

export async function book(choice: Choice): Promise<Appointment> {
  const reference = (name: string, reference: string) => ({ name, valueReference: { reference } })
  const body = parameters(
    reference('appointment-reference', `Appointment/${choice.appointment}`),
    reference('patient-reference', choice.patient),
    { name: 'visit-type', valueCode: choice.visitType },
    ...(choice.priorDiagnosis ? [reference('prior-diagnosis', `DocumentReference/${choice.priorDiagnosis}`)] : []),
    ...(choice.comment ? [{ name: 'comment', valueString: choice.comment }] : []),
  )
  return one(await server.command<Bundle>('POST', paths.operation('Appointment', 'book'), body))
}

export const cancel = (appointment: string, reason: string): Promise<unknown> =>
  server.command(
    'POST',
    paths.operation(`Appointment/${appointment}`, 'cancel'),
    parameters({ name: 'reason', valueString: reason }),
  )

export const appointment = (id: string): Promise<Appointment> =>
  server.read<Appointment>(paths.resource(`Appointment/${id}`))

/** The patient's appointments from a day on, soonest first. */
export async function ownAppointments(patient: string, from: string): Promise<Appointment[]> {
  const query = { patient, date: `ge${from}`, _sort: 'date', _count: 100 }
  return resourcesOf(await server.read<Bundle>(paths.search('Appointment', query)), 'Appointment')
}

function one(bundle: Bundle): Appointment {
  const [found] = resourcesOf(bundle, 'Appointment')
  if (!found) throw new Failure(200, 'unreadable', 'The answer holds no appointment.')
  return found
}
