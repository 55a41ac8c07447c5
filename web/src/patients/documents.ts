/** Earlier records of a patient: https://hl7.org/fhir/R4/documentreference.html. */

import type { Bundle, CodeableConcept, DocumentReference } from 'fhir/r4'
import { fromBase64, text } from '../bytes'
import * as paths from '../fhir/paths'
import { codeOf, ICD_10, resourcesOf } from '../fhir/read'
import { server } from '../server'

/** The patient's records that name a diagnosis: those a follow-up may rest on. */
export async function priorRecords(patient: string): Promise<DocumentReference[]> {
  const query = { patient, status: 'current', _count: 50 }
  const found = resourcesOf(await server.read<Bundle>(paths.search('DocumentReference', query)), 'DocumentReference')
  return found.filter((one) => diagnosisOf(one))
}

export const document = (reference: string): Promise<DocumentReference> =>
  server.read<DocumentReference>(paths.resource(reference))

/** The diagnosis a record names; undefined when it names none of ICD-10. */
export const diagnosisOf = (record: DocumentReference | undefined): CodeableConcept | undefined =>
  record?.context?.event?.find((one) => codeOf(one, ICD_10))

/** What the record says, where it is plain text. */
export function plainText(record: DocumentReference): string | undefined {
  const attachment = record.content.map((one) => one.attachment).find((one) => one.contentType?.startsWith('text/plain'))
  return attachment?.data && text(fromBase64(attachment.data))
}
