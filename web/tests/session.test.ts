import { describe, expect, it, vi } from 'vitest'
import type { Client } from '../src/fhir/client'
import { Failure } from '../src/fhir/failure'
import { challenge, verifier } from '../src/identity/pkce'
import { createSession } from '../src/identity/session'

const ME = { login: 'patient-001', role: 'patient', fhirUser: 'Patient/patient-001', clinics: [], organization: null, display: '何建国' }

function world(stored: Record<string, string> = {}) {
  const store = new Map(Object.entries(stored))
  const timers: number[] = []
  const went: string[] = []
  let [now, turn] = [0, 0]
  const form = vi.fn(async (_path: string, _fields: Record<string, string>): Promise<unknown> => {
    turn += 1
    return { access_token: `access-${turn}`, expires_in: 600, refresh_token: `refresh-${turn}` }
  })
  const read = vi.fn(async () => ME)
  const session = createSession({
    open: { form } as unknown as Client,
    server: () => ({ read }) as unknown as Client,
    now: () => now,
    storage: {
      getItem: (name) => store.get(name) ?? null,
      setItem: (name, value) => void store.set(name, value),
      removeItem: (name) => void store.delete(name),
    },
    home: 'https://yuzhen.example/',
    go: (address) => void went.push(address),
    language: () => 'en',
    later: (_action, after) => timers.push(after),
  })
  return { session, store, timers, went, form, read, pass: (milliseconds: number) => void (now += milliseconds) }
}

describe('pkce', () => {
  it('makes the challenge of RFC 7636 appendix B', async () => {
    expect(await challenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')).toBe('E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM')
  })

  it('makes a fresh verifier of allowed length each time', () => {
    const [one, two] = [verifier(), verifier()]
    expect(one).toMatch(/^[\w-]{43,128}$/)
    expect(one).not.toBe(two)
  })
})

describe('session', () => {
  it('goes to the sign-in page with a challenge, and redeems the code with its verifier', async () => {
    const { session, went, form, store } = world()
    await session.signIn()
    const asked = new URLSearchParams(went[0]!.split('?')[1])
    expect(went[0]).toMatch(/^\/authorize\?/)
    expect(Object.fromEntries(asked)).toMatchObject({ client_id: 'yuzhen-web', redirect_uri: 'https://yuzhen.example/', code_challenge_method: 'S256', ui_locales: 'en' })
    await session.start(`?code=c1&state=${asked.get('state')}`)
    const [path, fields] = form.mock.calls[0]!
    expect(path).toBe('/token')
    expect(fields).toMatchObject({ grant_type: 'authorization_code', code: 'c1', redirect_uri: 'https://yuzhen.example/' })
    expect(await challenge(fields.code_verifier!)).toBe(asked.get('code_challenge'))
    expect([session.state.value, session.me.value?.login, session.token()]).toEqual(['signed-in', 'patient-001', 'access-1'])
    // The access token is nowhere but in memory.
    expect([...store.values()]).toEqual(['refresh-1'])
  })

  it('redeems no code that came with a foreign state', async () => {
    const { session, went, form } = world()
    await session.signIn()
    expect(went).toHaveLength(1)
    await session.start('?code=c1&state=foreign')
    expect(form).not.toHaveBeenCalled()
    expect(session.state.value).toBe('signed-out')
  })

  it('comes back after a reload by its refresh token, and renews before expiry', async () => {
    const { session, form, timers } = world({ 'yuzhen.refresh': 'kept' })
    await session.start('')
    expect(form.mock.calls[0]![1]).toMatchObject({ grant_type: 'refresh_token', refresh_token: 'kept' })
    expect(session.state.value).toBe('signed-in')
    expect(timers).toEqual([540_000])
  })

  it('renews once for many who ask at the same time', async () => {
    const { session, form } = world({ 'yuzhen.refresh': 'kept' })
    expect(await Promise.all([session.renew(), session.renew(), session.renew()])).toEqual([true, true, true])
    expect(form).toHaveBeenCalledOnce()
  })

  it('gives a fresh token when the old one has expired', async () => {
    const { session, pass } = world({ 'yuzhen.refresh': 'kept' })
    await session.start('')
    expect(await session.fresh()).toBe('access-1')
    pass(600_000)
    expect(await session.fresh()).toBe('access-2')
  })

  it('signs out when the refresh token is refused, and stays signed in while the hospital is out of reach', async () => {
    for (const [status, state, kept] of [[400, 'signed-out', undefined], [0, 'signed-in', 'refresh-1'], [503, 'signed-in', 'refresh-1']] as const) {
      const { session, form, store } = world({ 'yuzhen.refresh': 'kept' })
      await session.start('')
      form.mockRejectedValueOnce(new Failure(status, 'x', ''))
      expect(await session.renew()).toBe(false)
      expect([session.state.value, store.get('yuzhen.refresh')]).toEqual([state, kept])
    }
  })

  it('forgets everything at sign-out, and tells the hospital', async () => {
    const { session, store, went, form } = world({ 'yuzhen.refresh': 'kept' })
    await session.start('')
    await session.signOut()
    expect([session.token(), session.me.value, store.size, went.at(-1)]).toEqual([null, null, 0, '/'])
    expect(form).toHaveBeenLastCalledWith('/sign-out', { refresh_token: 'refresh-1' })
  })
})
