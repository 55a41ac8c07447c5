/** Who is signed in: Authorization Code with PKCE; the access token lives in memory only. */

import { signal, type ReadonlySignal } from '@preact/signals'
import { random } from '../bytes'
import type { Client } from '../fhir/client'
import { asFailure, type Failure } from '../fhir/failure'
import * as paths from '../fhir/paths'
import { challenge, verifier } from './pkce'

const CLIENT = 'yuzhen-web'
const REFRESH = 'yuzhen.refresh'
const PENDING = 'yuzhen.sign-in'
const RENEW_BEFORE = 60

export interface Me {
  login: string
  role: 'patient' | 'practitioner' | 'pharmacist' | 'admin' | 'system'
  fhirUser: string
  clinics: string[]
  organization: string | null
  display: string
}

interface Tokens {
  access_token: string
  expires_in: number
  refresh_token?: string
}

export interface SessionNeeds {
  /** Without a token: for signing in. */
  open: Client
  /** With the token of this session. */
  server: () => Client
  now: () => number
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
  /** The page's origin with a slash: where sign-in comes back to. */
  home: string
  go: (address: string) => void
  language: () => string
  later: (action: () => void, milliseconds: number) => unknown
}

export type SessionState = 'starting' | 'signed-out' | 'signed-in'

export interface Session {
  state: ReadonlySignal<SessionState>
  me: ReadonlySignal<Me | null>
  failure: ReadonlySignal<Failure | null>
  token: () => string | null
  renew: () => Promise<boolean>
  /** A token that has not expired, renewed when need be. */
  fresh: () => Promise<string | null>
  start: (query: string) => Promise<void>
  signIn: () => Promise<void>
  signOut: () => Promise<void>
}

export function createSession(needs: SessionNeeds): Session {
  const state = signal<SessionState>('starting')
  const me = signal<Me | null>(null)
  const failure = signal<Failure | null>(null)
  let access: string | null = null
  let expiresAt = 0
  let renewing: Promise<boolean> | null = null

  function take(tokens: Tokens): void {
    access = tokens.access_token
    expiresAt = needs.now() + tokens.expires_in * 1000
    if (tokens.refresh_token) needs.storage.setItem(REFRESH, tokens.refresh_token)
    needs.later(() => void renew(), Math.max(tokens.expires_in - RENEW_BEFORE, 5) * 1000)
  }

  async function ask(fields: Record<string, string>): Promise<void> {
    take(await needs.open.form<Tokens>(paths.token, { client_id: CLIENT, ...fields }))
  }

  function forget(): void {
    access = null
    needs.storage.removeItem(REFRESH)
    me.value = null
    state.value = 'signed-out'
  }

  // One at a time: a refresh token works once, a second use of it would end the sign-in.
  function renew(): Promise<boolean> {
    renewing ??= refresh().finally(() => (renewing = null))
    return renewing
  }

  async function refresh(): Promise<boolean> {
    const kept = needs.storage.getItem(REFRESH)
    if (!kept) return false
    try {
      await ask({ grant_type: 'refresh_token', refresh_token: kept })
      return true
    } catch (thrown) {
      const refused = asFailure(thrown)
      // While the hospital is out of reach the sign-in stays good.
      if (refused.status >= 400 && refused.status < 500 && refused.status !== 429) forget()
      return false
    }
  }

  async function fresh(): Promise<string | null> {
    if (needs.now() >= expiresAt) await renew()
    return access
  }

  async function redeem(code: string, given: string | null): Promise<boolean> {
    const pending = JSON.parse(needs.storage.getItem(PENDING) ?? '{}') as { state?: string; verifier?: string }
    needs.storage.removeItem(PENDING)
    if (!pending.verifier || pending.state !== given) return false
    const grant = { grant_type: 'authorization_code', code, redirect_uri: needs.home }
    await ask({ ...grant, code_verifier: pending.verifier })
    return true
  }

  async function start(query: string): Promise<void> {
    const given = new URLSearchParams(query)
    const code = given.get('code')
    try {
      const signedIn = (code && (await redeem(code, given.get('state')))) || (await renew())
      if (!signedIn) {
        state.value = 'signed-out'
        return
      }
      me.value = await needs.server().read<Me>(paths.me)
      state.value = 'signed-in'
    } catch (thrown) {
      failure.value = asFailure(thrown)
      state.value = 'signed-out'
    }
  }

  async function signIn(): Promise<void> {
    const pending = { state: random(16), verifier: verifier() }
    needs.storage.setItem(PENDING, JSON.stringify(pending))
    const query = {
      response_type: 'code',
      client_id: CLIENT,
      redirect_uri: needs.home,
      state: pending.state,
      code_challenge: await challenge(pending.verifier),
      code_challenge_method: 'S256',
      scope: 'openid',
      ui_locales: needs.language(),
    }
    needs.go(paths.authorize(query))
  }

  async function signOut(): Promise<void> {
    const kept = needs.storage.getItem(REFRESH)
    forget()
    if (kept) await needs.open.form(paths.signOut, { refresh_token: kept }).catch(() => undefined)
    needs.go('/')
  }

  return { state, me, failure, token: () => access, renew, fresh, start, signIn, signOut }
}
