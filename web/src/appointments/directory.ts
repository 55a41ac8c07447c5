/** Hospitals, departments and doctors to choose from. */

import type { Bundle, HealthcareService, Organization, Practitioner, PractitionerRole } from 'fhir/r4'
import * as paths from '../fhir/paths'
import { idOf, resourcesOf } from '../fhir/read'
import { server } from '../server'

const DISTRICT = 'http://fhir.cq.hc/StructureDefinition/hc-mdm-administrativedivision'
const PHARMACY_KINDS = ['PHARM', 'hospital-pharmacy', 'retail-pharmacy']

export interface District {
  code: string
  name: string
}

export async function hospitals(): Promise<Organization[]> {
  const bundle = await server.read<Bundle>(paths.search('Organization', { type: 'prov', _count: 200 }))
  return resourcesOf(bundle, 'Organization').filter((one) => !isPharmacy(one))
}

/** All pharmacies an order may go to, those of hospitals too. */
export async function pharmacies(): Promise<Organization[]> {
  const bundle = await server.read<Bundle>(
    paths.search('Organization', { type: PHARMACY_KINDS.join(','), _count: 200 }),
  )
  return resourcesOf(bundle, 'Organization')
}

export async function departments(hospital: string): Promise<HealthcareService[]> {
  const query = { organization: `Organization/${hospital}`, active: 'true', _count: 200 }
  return resourcesOf(await server.read<Bundle>(paths.search('HealthcareService', query)), 'HealthcareService')
}

export interface Doctor {
  practitioner: Practitioner
  role: PractitionerRole
}

export async function doctors(service: string): Promise<Doctor[]> {
  const query = {
    service: `HealthcareService/${service}`,
    _include: 'PractitionerRole:practitioner',
    _count: 200,
  }
  const bundle = await server.read<Bundle>(paths.search('PractitionerRole', query))
  const people = new Map(resourcesOf(bundle, 'Practitioner').map((one) => [one.id, one]))
  return resourcesOf(bundle, 'PractitionerRole').flatMap((role) => {
    const practitioner = people.get(idOf(role.practitioner))
    return practitioner ? [{ role, practitioner }] : []
  })
}

export function districtOf(organization: Organization): District | undefined {
  const coding = organization.extension?.find((one) => one.url === DISTRICT)?.valueCoding
  return coding?.code ? { code: coding.code, name: coding.display ?? coding.code } : undefined
}

/** The districts that have one of these hospitals, in order of code. */
export function districtsOf(organizations: Organization[]): District[] {
  const found = new Map(organizations.flatMap((one) => districtOf(one) ?? []).map((one) => [one.code, one]))
  return [...found.values()].sort((a, b) => a.code.localeCompare(b.code))
}

const isPharmacy = (organization: Organization): boolean =>
  organization.type?.some((type) => type.coding?.some((coding) => PHARMACY_KINDS.includes(coding.code ?? ''))) ?? false
