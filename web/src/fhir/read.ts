/** Picking what a page shows out of FHIR resources. */

import type {
  Appointment,
  Bundle,
  CodeableConcept,
  Extension,
  FhirResource,
  HumanName,
  Parameters,
  ParametersParameter,
  Reference,
} from 'fhir/r4'

export const BASE = 'https://yuzhen.example/fhir'
export const ICD_10 = 'http://hl7.org/fhir/sid/icd-10'
const TRANSLATION = 'http://hl7.org/fhir/StructureDefinition/translation'

type Kind = FhirResource['resourceType']
type Of<K extends Kind> = Extract<FhirResource, { resourceType: K }>
interface Extended {
  extension?: Extension[]
}
interface Named {
  name?: string | HumanName[]
  _name?: Extended
}

/** The resources of one type in a Bundle, in its order. */
export function resourcesOf<K extends Kind>(bundle: Bundle | undefined, type: K): Of<K>[] {
  const all = bundle?.entry?.flatMap((entry) => (entry.resource ? [entry.resource] : [])) ?? []
  return all.filter((resource): resource is Of<K> => resource.resourceType === type)
}

/** Our own extension of that name, wherever it hangs. */
export function extension(holder: Extended | undefined, name: string): Extension | undefined {
  return holder?.extension?.find((one) => one.url === `${BASE}/StructureDefinition/${name}`)
}

/** A part of a complex extension: `number` of a `ticket`. */
export const within = (holder: Extended | undefined, url: string): Extension | undefined =>
  holder?.extension?.find((one) => one.url === url)

export const parameter = (parameters: Parameters | undefined, name: string): ParametersParameter | undefined =>
  parameters?.parameter?.find((one) => one.name === name)

export const parameters = (...given: ParametersParameter[]): Parameters => ({
  resourceType: 'Parameters',
  parameter: given,
})

export const idOf = (reference: Reference | string | undefined): string =>
  (typeof reference === 'string' ? reference : (reference?.reference ?? '')).split('/').at(-1) ?? ''

/** The participant of an appointment that is of this type. */
export function actor(appointment: Appointment, type: string): Reference | undefined {
  return appointment.participant.map((one) => one.actor).find((one) => one?.reference?.startsWith(`${type}/`))
}

/** The name to show: a person's official text, or an organisation's name in the reader's language. */
export function nameOf(named: Named | undefined, language: string): string {
  if (Array.isArray(named?.name)) return personName(named.name, language)
  return translated(named?._name, language) ?? named?.name ?? ''
}

/** What a concept is called: its text in Chinese, the coding's display otherwise. */
export function conceptText(concept: CodeableConcept | undefined, language: string): string {
  const display = concept?.coding?.find((coding) => coding.display)?.display
  const chosen = language === 'en' ? (display ?? concept?.text) : (concept?.text ?? display)
  return chosen ?? concept?.coding?.[0]?.code ?? ''
}

export const codeOf = (concept: CodeableConcept | undefined, system?: string): string | undefined =>
  concept?.coding?.find((coding) => !system || coding.system === system)?.code

function personName(names: HumanName[], language: string): string {
  const name = (language === 'en' && names.find((one) => one.use === 'usual')) || names[0]
  return name?.text ?? [name?.family, ...(name?.given ?? [])].filter(Boolean).join(' ')
}

function translated(holder: Extended | undefined, language: string): string | undefined {
  const found = holder?.extension?.find((one) => one.url === TRANSLATION && within(one, 'lang')?.valueCode === language)
  return within(found, 'content')?.valueString
}
