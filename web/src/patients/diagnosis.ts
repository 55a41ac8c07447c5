/** Looking up and recording a diagnosis (ICD-10). */

import type { Bundle, Condition, Encounter, ValueSet, ValueSetExpansionContains } from 'fhir/r4'
import * as paths from '../fhir/paths'
import { ICD_10, resourcesOf } from '../fhir/read'
import { server } from '../server'

const TERMS = 'http://terminology.hl7.org/CodeSystem'

export async function lookUp(words: string): Promise<ValueSetExpansionContains[]> {
  const found = await server.read<ValueSet>(paths.operation('ValueSet/icd-10', 'expand', { filter: words, count: 10 }))
  return found.expansion?.contains ?? []
}

export async function recorded(encounter: string): Promise<Condition[]> {
  const query = { encounter: `Encounter/${encounter}` }
  return resourcesOf(await server.read<Bundle>(paths.search('Condition', query)), 'Condition')
}

/** Enters the diagnosis of this visit. */
export function record(diagnosis: ValueSetExpansionContains, encounter: Encounter, doctor: string): Promise<Condition> {
  const status = (system: string, code: string) => ({ coding: [{ system: `${TERMS}/${system}`, code }] })
  const condition: Condition = {
    resourceType: 'Condition',
    clinicalStatus: status('condition-clinical', 'active'),
    verificationStatus: status('condition-ver-status', 'confirmed'),
    category: [status('condition-category', 'encounter-diagnosis')],
    code: {
      coding: [{ system: ICD_10, code: diagnosis.code, display: diagnosis.display }],
      text: diagnosis.display,
    },
    subject: encounter.subject!,
    encounter: { reference: `Encounter/${encounter.id}` },
    asserter: { reference: doctor },
  }
  return server.command('POST', paths.search('Condition', {}), condition)
}
