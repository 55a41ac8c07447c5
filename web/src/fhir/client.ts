/** Talks to the hospital over fetch: one key per command, repeated with the same key, one kind of failure. */

import { Failure, failureFrom } from './failure'

const PAUSES = [300, 1000, 2500]
const LONGEST_PAUSE = 5000

export interface ClientNeeds {
  fetch: typeof fetch
  token: () => string | null
  /** Gets a new access token; false when there is none to be had. */
  renew: () => Promise<boolean>
  language: () => string
  wait: (milliseconds: number) => Promise<void>
  newKey: () => string
}

export type Method = 'POST' | 'PUT' | 'DELETE'

export interface Client {
  read<T>(path: string): Promise<T>
  command<T>(method: Method, path: string, body?: unknown, options?: { key?: string; keepalive?: boolean }): Promise<T>
  form<T>(path: string, fields: Record<string, string>): Promise<T>
}

export function createClient(needs: ClientNeeds): Client {
  async function send<T>(path: string, request: RequestInit): Promise<T> {
    let response = await persistently(path, request)
    if (response.status === 401) {
      const failure = failureFrom(401, await content(response))
      if (failure.code === 'password-wrong' || !(await needs.renew())) throw failure
      response = await persistently(path, request)
    }
    const body = await content(response)
    if (!response.ok) throw failureFrom(response.status, body)
    return body as T
  }

  async function persistently(path: string, request: RequestInit): Promise<Response> {
    for (const pause of [...PAUSES, null]) {
      const response = await once(path, request)
      if (response && (response.status !== 503 || pause === null)) return response
      if (pause === null) break
      const asked = Number(response?.headers.get('Retry-After') ?? 0) * 1000
      await needs.wait(Math.min(Math.max(pause, asked), LONGEST_PAUSE))
    }
    throw new Failure(0, 'offline', 'The hospital cannot be reached.')
  }

  async function once(path: string, request: RequestInit): Promise<Response | null> {
    const token = needs.token()
    const headers = new Headers(request.headers)
    if (token) headers.set('Authorization', `Bearer ${token}`)
    headers.set('Accept-Language', needs.language())
    return needs.fetch(path, { ...request, headers, credentials: 'same-origin' }).catch(() => null)
  }

  return {
    read: (path) => send(path, { headers: { Accept: media(path) } }),
    command(method, path, body, options = {}) {
      const headers = { Accept: media(path), 'Content-Type': media(path), 'Idempotency-Key': options.key ?? needs.newKey() }
      const sent = body === undefined ? undefined : JSON.stringify(body)
      return send(path, { method, headers, body: sent, keepalive: options.keepalive })
    },
    form: (path, fields) => send(path, { method: 'POST', body: new URLSearchParams(fields) }),
  }
}

const media = (path: string): string => (path.startsWith('/fhir') ? 'application/fhir+json' : 'application/json')

async function content(response: Response): Promise<unknown> {
  const body = await response.text()
  try {
    return body ? JSON.parse(body) : undefined
  } catch {
    throw new Failure(response.status, 'unreadable', 'The answer could not be read.')
  }
}
