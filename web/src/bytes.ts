/** Bytes and their spellings: base64 (RFC 4648 section 4), base64url without padding (section 5), hex. */

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

export function fromBase64(value: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0))
}

export function base64url(bytes: Uint8Array): string {
  let letters = ''
  // One call per byte: spreading a long document into arguments would overflow the stack.
  for (const byte of bytes) letters += String.fromCharCode(byte)
  return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

/** A fresh random word of so many bytes. */
export function random(bytes: number): string {
  return base64url(crypto.getRandomValues(new Uint8Array(bytes)))
}
