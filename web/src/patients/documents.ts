/** Earlier records of a patient: https://hl7.org/fhir/R4/documentreference.html. */

import type { Bundle, DocumentReference } from 'fhir/r4'
import { fromBase64, text } from '../bytes'
import * as paths from '../fhir/paths'
import { codeOf, conceptText, ICD_10, resourcesOf } from '../fhir/read'
import { server } from '../server'

/** The patient's records that name a diagnosis: those a follow-up may rest on. */
export async function priorRecords(patient: string): Promise<DocumentReference[]> {
  const query = { patient, status: 'current', _count: 50 }
  const found = resourcesOf(await server.read<Bundle>(paths.search('DocumentReference', query)), 'DocumentReference')
  return found.filter((one) => diagnosisOf(one, 'zh-CN'))
}

export const document = (reference: string): Promise<DocumentReference> =>
  server.read<DocumentReference>(paths.resource(reference))

/** `原发性高血压 (I10)`; undefined when the record names no ICD-10 diagnosis. */
export function diagnosisOf(record: DocumentReference, language: string): string | undefined {
  const event = record.context?.event?.find((one) => codeOf(one, ICD_10))
  return event && `${conceptText(event, language)} (${codeOf(event, ICD_10)})`
}

export const diagnosisCode = (record: DocumentReference | undefined): string | undefined =>
  record?.context?.event?.map((one) => codeOf(one, ICD_10)).find(Boolean)

/** What the record says, where it is plain text. */
export function plainText(record: DocumentReference): string | undefined {
  const attachment = record.content.map((one) => one.attachment).find((one) => one.contentType?.startsWith('text/plain'))
  return attachment?.data && text(fromBase64(attachment.data))
}
