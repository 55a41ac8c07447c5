/** Writing a prescription: looking medicines up, keeping draft lines, preparing and signing. */

import type { Bundle, Medication, MedicationRequest, Parameters } from 'fhir/r4'
import { fromBase64 } from '../bytes'
import { Failure } from '../fhir/failure'
import * as paths from '../fhir/paths'
import { parameter, parameters, resourcesOf } from '../fhir/read'
import { server } from '../server'
import { draft, type Context, type Line } from './line'

export async function findMedicines(words: string): Promise<Medication[]> {
  const query = { 'code:text': words, _count: 20 }
  return resourcesOf(await server.read<Bundle>(paths.search('Medication', query)), 'Medication')
}

/** Lines of prescriptions, and the medicines they name. */
export interface Written {
  lines: MedicationRequest[]
  medications: Medication[]
}

export async function written(query: paths.Query): Promise<Written> {
  const asked = { ...query, _include: 'MedicationRequest:medication', _count: 50 }
  const bundle = await server.read<Bundle>(paths.search('MedicationRequest', asked))
  return { lines: resourcesOf(bundle, 'MedicationRequest'), medications: resourcesOf(bundle, 'Medication') }
}

/** All lines of a visit, whatever their state. */
export const linesOf = (encounter: string): Promise<Written> => written({ encounter: `Encounter/${encounter}` })

export const groupOf = (line: MedicationRequest): string | undefined => line.groupIdentifier?.value

export const addLine = (line: Line, context: Context): Promise<MedicationRequest> =>
  server.command('POST', paths.search('MedicationRequest', {}), draft(line, context))

/** The same line again as a draft of the same prescription, for a doctor who corrects a returned one. */
export function redraft(line: MedicationRequest): Promise<MedicationRequest> {
  const { id: _id, meta: _meta, ...rest } = line
  return server.command('POST', paths.search('MedicationRequest', {}), { ...rest, status: 'draft' })
}

export const removeLine = (id: string): Promise<unknown> =>
  server.command('DELETE', paths.resource(`MedicationRequest/${id}`))

export interface Prepared {
  bytes: Uint8Array<ArrayBuffer>
  digest: string
}

/** The exact bytes to be signed. */
export async function prepare(group: string): Promise<Prepared> {
  const path = paths.operation('MedicationRequest', 'prepare')
  const said = await server.command<Parameters>('POST', path, parameters({ name: 'group', valueString: group }))
  const bytes = parameter(said, 'document')?.valueBase64Binary
  if (!bytes) throw new Failure(200, 'unreadable', 'The answer holds no document.')
  return { bytes: fromBase64(bytes), digest: parameter(said, 'digest')?.valueString ?? '' }
}

export const sign = (group: string, signature: string): Promise<Bundle> =>
  server.command(
    'POST',
    paths.operation('MedicationRequest', 'sign'),
    parameters({ name: 'group', valueString: group }, { name: 'signature', valueString: signature }),
  )
