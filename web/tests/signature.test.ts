import { describe, expect, it } from 'vitest'
import { base64url, fromBase64, hex, sha256, text, utf8 } from '../src/bytes'
import { signDetached } from '../src/pharmacy/signature'

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' }
const decoded = (value: string) => fromBase64(value.replaceAll('-', '+').replaceAll('_', '/'))
const pair = () => crypto.subtle.generateKey(CURVE, false, ['sign', 'verify'])

async function verified(jws: string, bytes: Uint8Array, key: CryptoKey): Promise<boolean> {
  const [header, payload, signature] = jws.split('.')
  expect(payload).toBe('')
  const input = utf8(`${header}.${base64url(bytes)}`)
  return crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, decoded(signature!), input)
}

describe('detached signature', () => {
  const bytes = utf8('{"resourceType":"Bundle","note":"氨氯地平 5 mg"}\n')

  it('verifies over exactly the bytes that were given', async () => {
    const { privateKey, publicKey } = await pair()
    const jws = await signDetached(bytes, { key: privateKey, kid: 'kid-1' }, 1_772_000_000)
    expect(await verified(jws, bytes, publicKey)).toBe(true)
    expect(JSON.parse(text(decoded(jws.split('.')[0]!)))).toEqual({ alg: 'ES256', kid: 'kid-1', iat: 1_772_000_000 })
    expect(decoded(jws.split('.')[2]!)).toHaveLength(64)
  })

  it('does not verify over any other bytes, nor with another key', async () => {
    const { privateKey, publicKey } = await pair()
    const jws = await signDetached(bytes, { key: privateKey, kid: 'kid-1' }, 1)
    expect(await verified(jws, bytes.slice(0, -1), publicKey)).toBe(false)
    expect(await verified(jws, bytes, (await pair()).publicKey)).toBe(false)
  })

  it('cannot give its private key away', async () => {
    const { privateKey } = await pair()
    await expect(crypto.subtle.exportKey('jwk', privateKey)).rejects.toThrow()
  })
})

describe('bytes', () => {
  it('are spelled as RFC 4648 says', () => {
    expect(base64url(new Uint8Array([251, 255, 254]))).toBe('-__-')
    expect(base64url(utf8('a'))).toBe('YQ')
    expect(fromBase64('+//+')).toEqual(new Uint8Array([251, 255, 254]))
  })

  it('have the digest that FIPS 180 gives for "abc"', async () => {
    expect(hex(await sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})
