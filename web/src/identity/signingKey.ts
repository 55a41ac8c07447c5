/** The doctor's signing key: made in this browser, kept in it, never to be taken out of it. */

import * as paths from '../fhir/paths'
import type { Signer } from '../pharmacy/signature'
import { server } from '../server'

const STORE = 'keys'
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' }

/** The key this account uses in this browser. */
export const kept = (login: string): Promise<Signer | undefined> =>
  inStore('readonly', (store) => store.get(login) as IDBRequest<Signer | undefined>)

export const forget = (login: string): Promise<undefined> => inStore('readwrite', (store) => store.delete(login))

/** Make a key and enrol its public half; the password proves anew who asks. */
export async function enrol(login: string, password: string): Promise<Signer> {
  const pair = await crypto.subtle.generateKey(CURVE, false, ['sign', 'verify'])
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  const body = { jwk: { kty, crv, x, y }, password }
  const { kid } = await server.command<{ kid: string }>('POST', paths.signingKeys, body)
  const signer = { key: pair.privateKey, kid }
  await inStore('readwrite', (store) => store.put(signer, login))
  return signer
}

async function inStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await opened()
  try {
    return await settled(work(database.transaction(STORE, mode).objectStore(STORE)))
  } finally {
    database.close()
  }
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open('yuzhen', 1)
  request.onupgradeneeded = () => request.result.createObjectStore(STORE)
  return settled(request)
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result)
    request.onerror = () => failed(request.error ?? new Error('The key store of this browser cannot be used.'))
  })
}
