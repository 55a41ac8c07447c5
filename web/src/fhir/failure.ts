/** The one way a request can fail, whichever face the server gave it. */

import type { OperationOutcome } from 'fhir/r4'

/** Status 0 means: no answer came at all. */
export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly diagnostics = '',
  ) {
    super(message)
    this.name = 'Failure'
  }
}

interface Problem {
  title?: string
  detail?: string
  code?: string
}

/** Reads an OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html) or problem details (RFC 9457). */
export function failureFrom(status: number, body: unknown): Failure {
  if (isOutcome(body)) {
    const issue = body.issue.find((one) => one.severity === 'fatal' || one.severity === 'error') ?? body.issue[0]
    const code = issue?.details?.coding?.[0]?.code ?? issue?.code ?? 'unreadable'
    return new Failure(status, code, issue?.details?.text ?? issue?.diagnostics ?? '', issue?.diagnostics)
  }
  const problem = (body ?? {}) as Problem
  return new Failure(status, problem.code ?? `http-${status}`, problem.title ?? '', problem.detail)
}

/** Anything thrown, as a Failure. A fault in our own page is one too, and says so. */
export function asFailure(thrown: unknown): Failure {
  return thrown instanceof Failure ? thrown : new Failure(-1, 'page-fault', String(thrown))
}

function isOutcome(body: unknown): body is OperationOutcome {
  return (body as OperationOutcome | undefined)?.resourceType === 'OperationOutcome'
}
