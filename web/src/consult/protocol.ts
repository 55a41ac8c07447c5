/** Joining and leaving a consultation room: one offer out, one answer back. */

import type { Client } from '../fhir/client'
import * as paths from '../fhir/paths'

export interface Joined {
  participant: string
  /** The room's answer to the offer. */
  sdp: string
}

export interface Protocol {
  join: (offer: string) => Promise<Joined>
  leave: (participant: string) => Promise<void>
}

/** The signalling of one Encounter's room. */
export function roomOf(encounter: string, client: Client): Protocol {
  return {
    join: (offer) => client.command<Joined>('POST', paths.participants(encounter), { sdp: offer }),
    // keepalive: the word still goes out while the page is being closed.
    leave: (participant) => client.command('DELETE', paths.participant(encounter, participant), undefined, { keepalive: true }),
  }
}
