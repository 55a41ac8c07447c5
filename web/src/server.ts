/** Where the page's own parts are put together: session, client and live socket. */

import { createClient } from './fhir/client'
import * as paths from './fhir/paths'
import { language } from './i18n'
import { createSession } from './identity/session'
import { Live, type Socket } from './live'

const wait = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds))

// A random UUID from plain random bytes: crypto.randomUUID does not exist on http pages other than localhost.
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const common = { fetch: fetch.bind(globalThis), language: () => language.value, wait, newKey: newId }

export const session = createSession({
  open: createClient({ ...common, token: () => null, renew: async () => false }),
  server: () => server,
  now: Date.now,
  storage: sessionStorage,
  home: `${location.origin}/`,
  go: (address) => location.assign(address),
  language: () => language.value,
  later: setTimeout.bind(globalThis),
})

export const server = createClient({ ...common, token: session.token, renew: session.renew })

export const live = new Live({
  open: () => new WebSocket(paths.live(location.origin)) as Socket,
  token: session.fresh,
  later: setTimeout.bind(globalThis),
  random: Math.random,
})
