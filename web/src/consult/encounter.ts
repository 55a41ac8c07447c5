/** The visit as an Encounter, and its chat. */

import type { Bundle, Communication, Encounter } from 'fhir/r4'
import * as paths from '../fhir/paths'
import { BASE, extension, parameters, resourcesOf, within } from '../fhir/read'
import { server } from '../server'

const CATEGORY = `${BASE}/CodeSystem/communication-category`

/** The visit an appointment led to; undefined until the patient has been called. */
export async function encounterOf(appointment: string): Promise<Encounter | undefined> {
  const query = { appointment: `Appointment/${appointment}` }
  return resourcesOf(await server.read<Bundle>(paths.search('Encounter', query)), 'Encounter')[0]
}

/** The doctor's recorded judgement: true, false, or not given yet. */
export const isFollowUp = (encounter: Encounter): boolean | undefined =>
  within(extension(encounter, 'follow-up'), 'judgement')?.valueBoolean

export const confirmFollowUp = (encounter: string, judgement: boolean): Promise<unknown> =>
  server.command(
    'POST',
    paths.operation(`Encounter/${encounter}`, 'confirm-follow-up'),
    parameters({ name: 'is-follow-up', valueBoolean: judgement }),
  )

export const finish = (encounter: string): Promise<unknown> =>
  server.command('POST', paths.operation(`Encounter/${encounter}`, 'finish'))

export async function messages(encounter: string): Promise<Communication[]> {
  const query = { encounter: `Encounter/${encounter}`, _sort: 'sent', _count: 200 }
  const all = resourcesOf(await server.read<Bundle>(paths.search('Communication', query)), 'Communication')
  return all.filter((one) => one.category?.some((category) => category.coding?.some(({ code }) => code === 'chat')))
}

/** Says something in the room. */
export function say(content: string, encounter: Encounter, sender: string): Promise<unknown> {
  const message: Communication = {
    resourceType: 'Communication',
    status: 'completed',
    category: [{ coding: [{ system: CATEGORY, code: 'chat' }] }],
    subject: encounter.subject,
    encounter: { reference: `Encounter/${encounter.id}` },
    sender: { reference: sender },
    payload: [{ contentString: content }],
  }
  return server.command('POST', paths.search('Communication', {}), message)
}
