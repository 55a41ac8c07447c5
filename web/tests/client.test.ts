import { describe, expect, it } from 'vitest'
import { createClient, type ClientNeeds } from '../src/fhir/client'
import { failureFrom, type Failure } from '../src/fhir/failure'

type Answer = Response | null

/** A hospital that gives these answers in turn; null is a network that fails. */
function hospital(...answers: Answer[]) {
  const asked: { path: string; init: RequestInit }[] = []
  const pauses: number[] = []
  let keys = 0
  const needs: ClientNeeds = {
    fetch: async (path, init) => {
      asked.push({ path: String(path), init: init! })
      const answer = answers.shift()
      if (!answer) throw new TypeError('network')
      return answer
    },
    token: () => 'token-1',
    renew: async () => false,
    language: () => 'zh-CN',
    wait: async (milliseconds) => void pauses.push(milliseconds),
    newKey: () => `key-${(keys += 1)}`,
  }
  const header = (at: number, name: string): string | null => new Headers(asked[at]!.init.headers).get(name)
  return { needs, asked, pauses, header }
}

const ok = (body: unknown = {}): Response => new Response(JSON.stringify(body), { status: 200 })
const outcome = (code: string, text: string) => ({
  resourceType: 'OperationOutcome',
  issue: [{ severity: 'error', code: 'conflict', details: { coding: [{ code }], text } }],
})
const refused = (status: number, body: unknown, headers = {}): Response =>
  new Response(JSON.stringify(body), { status, headers })

describe('client', () => {
  it('sends token, language, media type and a fresh key with a command', async () => {
    const { needs, header, asked } = hospital(ok(), ok())
    const client = createClient(needs)
    await client.command('POST', '/fhir/Appointment/$book', { a: 1 })
    await client.command('POST', '/identity/signing-keys', {})
    expect(asked[0]!.init.body).toBe('{"a":1}')
    expect([0, 1].map((at) => header(at, 'Idempotency-Key'))).toEqual(['key-1', 'key-2'])
    expect([0, 1].map((at) => header(at, 'Content-Type'))).toEqual(['application/fhir+json', 'application/json'])
    expect(header(0, 'Authorization')).toBe('Bearer token-1')
    expect(header(0, 'Accept-Language')).toBe('zh-CN')
  })

  it('repeats a command with the same key when the network fails or the hospital is busy', async () => {
    const { needs, asked, header, pauses } = hospital(null, refused(503, {}, { 'Retry-After': '2' }), ok({ id: 'done' }))
    const answer = await createClient(needs).command('POST', '/fhir/Appointment/$book', {})
    expect(answer).toEqual({ id: 'done' })
    expect(asked.map((_, at) => header(at, 'Idempotency-Key'))).toEqual(['key-1', 'key-1', 'key-1'])
    expect(pauses).toEqual([300, 2000])
  })

  it('says "offline" when no answer comes after all attempts', async () => {
    const { needs, asked } = hospital()
    await expect(createClient(needs).read('/fhir/Patient/1')).rejects.toMatchObject({ status: 0, code: 'offline' })
    expect(asked).toHaveLength(4)
  })

  it('passes on "busy" when the hospital stays busy', async () => {
    const busy = () => refused(503, outcome('busy', 'later'))
    const { needs } = hospital(busy(), busy(), busy(), busy())
    await expect(createClient(needs).read('/fhir/Patient/1')).rejects.toMatchObject({ status: 503, code: 'busy' })
  })

  it('never repeats a command that was refused', async () => {
    const { needs, asked } = hospital(refused(409, outcome('slot-taken', 'Taken.')))
    const booking = createClient(needs).command('POST', '/fhir/Appointment/$book', {})
    await expect(booking).rejects.toMatchObject({ status: 409, code: 'slot-taken', message: 'Taken.' })
    expect(asked).toHaveLength(1)
  })

  it('renews the token once on 401 and repeats with the same key', async () => {
    const { needs, asked, header } = hospital(refused(401, outcome('not-signed-in', '')), ok({ fine: true }))
    let token = 'old'
    const client = createClient({ ...needs, token: () => token, renew: async () => ((token = 'new'), true) })
    expect(await client.command('POST', '/fhir/Task/1/$close', {})).toEqual({ fine: true })
    expect(asked.map((_, at) => header(at, 'Authorization'))).toEqual(['Bearer old', 'Bearer new'])
    expect(header(1, 'Idempotency-Key')).toBe('key-1')
  })

  it('does not take a wrong password for an expired sign-in', async () => {
    const { needs, asked } = hospital(refused(401, { code: 'password-wrong', title: 'Wrong.' }))
    const client = createClient({ ...needs, renew: async () => true })
    await expect(client.command('POST', '/identity/signing-keys', {})).rejects.toMatchObject({ code: 'password-wrong' })
    expect(asked).toHaveLength(1)
  })

  it('answers nothing for an empty body and fails on an unreadable one', async () => {
    const { needs } = hospital(new Response(null, { status: 204 }), new Response('<html>', { status: 200 }))
    const client = createClient(needs)
    expect(await client.command('DELETE', '/fhir/MedicationRequest/1')).toBeUndefined()
    await expect(client.read('/fhir/x')).rejects.toMatchObject({ code: 'unreadable' })
  })
})

describe('failure', () => {
  it('is the same for an OperationOutcome and for problem details', () => {
    const pick = ({ status, code, message, diagnostics }: Failure) => ({ status, code, message, diagnostics })
    const fromOutcome = failureFrom(422, {
      resourceType: 'OperationOutcome',
      issue: [
        { severity: 'warning', code: 'informational' },
        { severity: 'error', code: 'business-rule', details: { coding: [{ code: 'rule' }], text: 'No.' }, diagnostics: 'RX-02' },
      ],
    })
    const fromProblem = failureFrom(422, { code: 'rule', title: 'No.', detail: 'RX-02', status: 422 })
    expect(pick(fromOutcome)).toEqual({ status: 422, code: 'rule', message: 'No.', diagnostics: 'RX-02' })
    expect(pick(fromProblem)).toEqual(pick(fromOutcome))
  })
})
