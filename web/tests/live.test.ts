import { describe, expect, it, vi } from 'vitest'
import { Live, oneAtATime, type Socket } from '../src/live'

class FakeSocket implements Socket {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: (() => void) | null = null
  sent: string[] = []
  closed = false
  send = (data: string) => void this.sent.push(data)
  close = () => void (this.closed = true)
  say = (word: unknown) => this.onmessage?.({ data: JSON.stringify(word) })
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
}

function world(token: string | null = 'token-1') {
  const sockets: FakeSocket[] = []
  const timers: { action: () => void; after: number }[] = []
  const live = new Live({
    open: () => {
      const socket = new FakeSocket()
      sockets.push(socket)
      return socket
    },
    token: async () => token,
    later: (action, after) => timers.push({ action, after }),
    random: () => 1,
  })
  const reconnections = (): number[] => timers.map(({ after }) => after).filter((after) => after !== 30_000)
  /** Runs the newest timer that reconnects. */
  const reconnect = async (): Promise<void> => {
    timers.filter(({ after }) => after !== 30_000).at(-1)!.action()
    await settle()
  }
  return { live, sockets, timers, reconnections, reconnect }
}

describe('live', () => {
  it('shows its token first and reads everything anew when ready', async () => {
    const { live, sockets } = world()
    const look = vi.fn()
    live.watch(['Appointment'], look)
    live.start()
    await settle()
    sockets[0]!.onopen?.()
    expect(sockets[0]!.sent).toEqual(['{"token":"token-1"}'])
    expect(look).not.toHaveBeenCalled()
    sockets[0]!.say({ ready: true })
    expect(look).toHaveBeenCalledOnce()
  })

  it('tells those who watch the type of what changed, and nobody else', async () => {
    const { live, sockets } = world()
    const [appointments, tasks, gone] = [vi.fn(), vi.fn(), vi.fn()]
    live.watch(['Appointment', 'Slot'], appointments)
    live.watch(['Task'], tasks)
    live.watch(['Appointment'], gone)()
    live.start()
    await settle()
    sockets[0]!.say({ look: 'Appointment/1' })
    sockets[0]!.onmessage?.({ data: 'not json' })
    expect([appointments, tasks, gone].map((look) => look.mock.calls.length)).toEqual([1, 0, 0])
    sockets[0]!.say({ look: '*' })
    expect([appointments, tasks, gone].map((look) => look.mock.calls.length)).toEqual([2, 1, 0])
  })

  it('reconnects with growing pauses, and at once again after a good connection', async () => {
    const { live, sockets, reconnections, reconnect } = world()
    live.start()
    await settle()
    for (let turn = 0; turn < 7; turn += 1) {
      sockets.at(-1)!.onclose?.()
      await reconnect()
    }
    expect(reconnections()).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000])
    sockets.at(-1)!.say({ ready: true })
    sockets.at(-1)!.onclose?.()
    expect(reconnections().at(-1)).toBe(500)
  })

  it('reads everything anew after a reconnection', async () => {
    const { live, sockets, reconnect } = world()
    const look = vi.fn()
    live.watch(['Task'], look)
    live.start()
    await settle()
    sockets[0]!.say({ ready: true })
    sockets[0]!.onclose?.()
    await reconnect()
    sockets[1]!.say({ ready: true })
    expect(look).toHaveBeenCalledTimes(2)
  })

  it('reads everything anew every half minute, should a word have been lost', () => {
    const { live, timers } = world()
    const look = vi.fn()
    live.watch(['Task'], look)
    live.start()
    timers.find(({ after }) => after === 30_000)!.action()
    expect(look).toHaveBeenCalledOnce()
    expect(timers.filter(({ after }) => after === 30_000)).toHaveLength(2)
  })

  it('opens no socket without a token and stays closed once stopped', async () => {
    const signedOut = world(null)
    signedOut.live.start()
    await settle()
    expect(signedOut.sockets).toHaveLength(0)
    const { live, sockets, reconnections } = world()
    live.start()
    await settle()
    live.stop()
    sockets[0]!.onclose?.()
    expect([sockets[0]!.closed, reconnections()]).toEqual([true, []])
  })
})

describe('oneAtATime', () => {
  it('never overlaps, and reads once more when asked during a reading', async () => {
    const finish: (() => void)[] = []
    const read = vi.fn(() => new Promise<void>((done) => finish.push(done)))
    const run = oneAtATime(read)
    void run()
    void run()
    void run()
    expect(read).toHaveBeenCalledTimes(1)
    finish[0]!()
    await settle()
    expect(read).toHaveBeenCalledTimes(2)
    finish[1]!()
    await settle()
    expect(read).toHaveBeenCalledTimes(2)
  })

  it('can run again after a reading that failed', async () => {
    const read = vi.fn(async () => Promise.reject(new Error('lost')))
    const run = oneAtATime(read)
    await expect(run()).rejects.toThrow('lost')
    await expect(run()).rejects.toThrow('lost')
    expect(read).toHaveBeenCalledTimes(2)
  })
})
