/** What a patient is known to be allergic to. */

import type { AllergyIntolerance, Bundle } from 'fhir/r4'
import * as paths from '../fhir/paths'
import { resourcesOf } from '../fhir/read'
import { server } from '../server'

/** Every allergy on record that was not taken back; `patient` is a reference such as `Patient/1`. */
export async function allergiesOf(patient: string): Promise<AllergyIntolerance[]> {
  const bundle = await server.read<Bundle>(paths.search('AllergyIntolerance', { patient, _count: 100 }))
  return resourcesOf(bundle, 'AllergyIntolerance').filter((one) => !takenBack(one))
}

const takenBack = (one: AllergyIntolerance): boolean =>
  one.verificationStatus?.coding?.some((coding) => ['entered-in-error', 'refuted'].includes(coding.code ?? '')) ?? false
