/** Proof Key for Code Exchange: https://www.rfc-editor.org/rfc/rfc7636. */

import { base64url, random, sha256, utf8 } from '../bytes'

export const verifier = (): string => random(48)

/** The S256 challenge of a verifier. */
export async function challenge(of: string): Promise<string> {
  return base64url(await sha256(utf8(of)))
}
