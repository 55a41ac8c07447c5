/** The order of a prescription as a Task: reviewed, released, claimed, dispensed, closed. */

import type { Bundle, MedicationDispense, Parameters, ParametersParameter, Quantity, Task } from 'fhir/r4'
import { Failure } from '../fhir/failure'
import * as paths from '../fhir/paths'
import { idOf, parameter, parameters, resourcesOf } from '../fhir/read'
import { server } from '../server'
import { written, type Written } from './prescription'

async function tasks(query: paths.Query): Promise<Task[]> {
  const bundle = await server.read<Bundle>(paths.search('Task', { _count: 100, ...query }))
  return resourcesOf(bundle, 'Task')
}

export const ordersOf = (patient: string): Promise<Task[]> => tasks({ patient, _sort: '-authored-on' })
export const ordersOfVisit = (encounter: string): Promise<Task[]> => tasks({ encounter: `Encounter/${encounter}` })

/** A pharmacist's list: `requested` to review, `ready` and `in-progress` to dispense. */
export const ordersAt = (organization: string, ...status: Task['status'][]): Promise<Task[]> =>
  tasks({ owner: organization, status: status.join(','), _sort: 'authored-on' })

export const order = (id: string): Promise<Task> => server.read<Task>(paths.resource(`Task/${id}`))

/** The bytes the doctor signed, as the document they are. */
export const signedDocument = (task: string): Promise<Bundle> => server.read<Bundle>(paths.signedDocument(task))

/** The lines an order stands for, with their medicines. */
export async function linesOfOrder(task: Task): Promise<Written> {
  const references = [...(task.basedOn ?? []), ...(task.focus ? [task.focus] : [])]
  const ids = new Set(references.filter((one) => one.reference?.startsWith('MedicationRequest/')).map(idOf))
  return ids.size ? written({ _id: [...ids].join(',') }) : { lines: [], medications: [] }
}

const act = <T>(task: string, name: string, ...given: ParametersParameter[]): Promise<T> =>
  server.command<T>('POST', paths.operation(`Task/${task}`, name), parameters(...given))

export const review = (task: string, decision: 'approve' | 'return', reason: string): Promise<unknown> =>
  act(task, 'review', { name: 'decision', valueCode: decision }, ...(reason ? [{ name: 'reason', valueString: reason }] : []))

export const choosePharmacy = (task: string, pharmacy: string): Promise<unknown> =>
  act(task, 'choose-pharmacy', { name: 'pharmacy', valueReference: { reference: `Organization/${pharmacy}` } })

/** The code the patient shows at the pharmacy. */
export async function pickupCode(task: string): Promise<string> {
  return word(await server.read<Parameters>(paths.operation(`Task/${task}`, 'pickup-code')), 'code')
}

/** Takes the order for this pharmacy; answers the secret that dispensing asks for. */
export async function claim(task: string, code: string): Promise<string> {
  return word(await act<Parameters>(task, 'claim', { name: 'code', valueString: code }), 'secret')
}

export interface HandedOut {
  request: string
  quantity: Quantity
}

export const dispense = (task: string, secret: string, items: HandedOut[]): Promise<unknown> =>
  act(task, 'dispense', { name: 'secret', valueString: secret }, ...items.map((item) => ({
    name: 'item',
    part: [
      { name: 'request', valueReference: { reference: `MedicationRequest/${item.request}` } },
      { name: 'quantity', valueQuantity: item.quantity },
    ],
  })))

export const close = (task: string, secret: string): Promise<unknown> =>
  act(task, 'close', { name: 'secret', valueString: secret })

/** What has been handed out of these lines so far. */
export async function dispensedOf(lines: string[]): Promise<MedicationDispense[]> {
  const prescription = lines.map((id) => `MedicationRequest/${id}`).join(',')
  return resourcesOf(
    await server.read<Bundle>(paths.search('MedicationDispense', { prescription, _count: 100 })),
    'MedicationDispense',
  )
}

function word(said: Parameters, name: string): string {
  const found = parameter(said, name)?.valueString
  if (!found) throw new Failure(200, 'unreadable', `The answer holds no ${name}.`)
  return found
}
