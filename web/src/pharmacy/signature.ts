/** A detached JWS over exact bytes (RFC 7515 appendix F), ES256 (RFC 7518 section 3.4). */

import { base64url, utf8 } from '../bytes'

export interface Signer {
  key: CryptoKey
  kid: string
}

/** `header..signature`; `iat` in seconds. */
export async function signDetached(bytes: Uint8Array, signer: Signer, iat: number): Promise<string> {
  const header = base64url(utf8(JSON.stringify({ alg: 'ES256', kid: signer.kid, iat })))
  const input = utf8(`${header}.${base64url(bytes)}`)
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, signer.key, input)
  return `${header}..${base64url(new Uint8Array(signature))}`
}
