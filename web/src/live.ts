/** One socket says "look at this anew"; after every (re)connection everything is read anew, so no lost word matters. */

export interface Socket {
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: (() => void) | null
  send(data: string): void
  close(): void
}

export interface LiveNeeds {
  open: () => Socket
  /** A valid access token, renewed when need be; null when signed out. */
  token: () => Promise<string | null>
  later: (action: () => void, milliseconds: number) => unknown
  random: () => number
}

type Look = () => void

const FIRST_PAUSE = 500
const LONGEST_PAUSE = 15_000
const READ_ANEW_EVERY = 30_000

export class Live {
  private readonly watchers = new Map<Look, readonly string[]>()
  private socket: Socket | null = null
  private failures = 0
  private running = false

  constructor(private readonly needs: LiveNeeds) {}

  start(): void {
    if (this.running) return
    this.running = true
    void this.connect()
    this.needs.later(() => this.beat(), READ_ANEW_EVERY)
  }

  stop(): void {
    this.running = false
    this.socket?.close()
    this.socket = null
  }

  /** Calls `look` when a resource of one of these types has changed. Returns how to stop. */
  watch(types: readonly string[], look: Look): () => void {
    this.watchers.set(look, types)
    return () => this.watchers.delete(look)
  }

  /** Everybody reads anew. */
  lookAtAll(): void {
    for (const look of [...this.watchers.keys()]) look()
  }

  private async connect(): Promise<void> {
    const token = await this.needs.token()
    if (!this.running) return
    if (!token) return this.again()
    const socket = this.needs.open()
    this.socket = socket
    socket.onopen = () => socket.send(JSON.stringify({ token }))
    socket.onmessage = (event) => this.hear(event.data)
    socket.onclose = () => {
      if (this.socket === socket) this.again()
    }
  }

  private hear(data: unknown): void {
    const word = parsed(data)
    if (word.ready) {
      this.failures = 0
      this.lookAtAll()
    }
    if (!word.look) return
    // A page that listened too slowly is told to look at everything.
    if (word.look === '*') return this.lookAtAll()
    const type = word.look.split('/')[0] ?? ''
    for (const [look, types] of [...this.watchers]) if (types.includes(type)) look()
  }

  private again(): void {
    this.socket = null
    if (!this.running) return
    const pause = Math.min(FIRST_PAUSE * 2 ** this.failures, LONGEST_PAUSE)
    this.failures += 1
    // Browsers that lost the same server must not all come back in the same instant.
    this.needs.later(() => this.running && void this.connect(), pause * (0.5 + this.needs.random() / 2))
  }

  private beat(): void {
    if (!this.running) return
    this.lookAtAll()
    this.needs.later(() => this.beat(), READ_ANEW_EVERY)
  }
}

/** Runs a reading at most once at a time; a call during a run makes one more run follow. */
export function oneAtATime(read: () => Promise<void>): () => Promise<void> {
  let running = false
  let wanted = false
  return async () => {
    wanted = true
    if (running) return
    running = true
    try {
      while (wanted) {
        wanted = false
        await read()
      }
    } finally {
      running = false
    }
  }
}

function parsed(data: unknown): { ready?: boolean; look?: string } {
  try {
    return JSON.parse(String(data)) as { ready?: boolean; look?: string }
  } catch {
    return {}
  }
}
