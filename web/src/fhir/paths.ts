/** Every address of the platform that this page uses. */

type Value = string | number | readonly string[] | undefined
export type Query = Record<string, Value>

export const search = (type: string, query: Query): string => `/fhir/${type}${written(query)}`

/** `Appointment/1` -> its address. */
export const resource = (reference: string): string => `/fhir/${reference}`

/** A FHIR operation on a type or an instance: `operation('Appointment', 'find', { ... })`. */
export const operation = (target: string, name: string, query: Query = {}): string =>
  `/fhir/${target}/$${name}${written(query)}`

export const signedDocument = (task: string): string => `/pharmacy/prescriptions/${task}/document`
export const participants = (encounter: string): string => `/consult/rooms/${encounter}/participants`
export const participant = (encounter: string, id: string): string => `${participants(encounter)}/${id}`
export const token = '/token'
export const signOut = '/sign-out'
export const me = '/identity/me'
export const signingKeys = '/identity/signing-keys'

export const authorize = (query: Query): string => `/authorize${written(query)}`

/** The live socket of the origin the page came from. */
export const live = (origin: string): string => `${origin.replace(/^http/, 'ws')}/live`

function written(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [value].flat().map((one) => [name, String(one)]),
  )
  return pairs.length ? `?${new URLSearchParams(pairs)}` : ''
}
