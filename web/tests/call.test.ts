import { beforeEach, describe, expect, it, vi } from 'vitest'
import { Call, type CallNeeds } from '../src/consult/call'
import { roomOf } from '../src/consult/protocol'
import { Failure } from '../src/fhir/failure'

class FakeTrack {
  enabled = true
  stopped = false
  constructor(readonly kind: 'audio' | 'video') {}
  stop() {
    this.stopped = true
  }
}

class FakeStream {
  constructor(readonly tracks: FakeTrack[] = []) {}
  getTracks = () => this.tracks
  getAudioTracks = () => this.tracks.filter((one) => one.kind === 'audio')
  getVideoTracks = () => this.tracks.filter((one) => one.kind === 'video')
}

class FakeTransceiver {
  readonly sender
  readonly receiver
  constructor(what: FakeTrack | 'audio' | 'video', readonly direction?: string) {
    const own = typeof what === 'string' ? null : what
    this.receiver = { track: new FakeTrack(typeof what === 'string' ? what : what.kind) }
    this.sender = { track: own, replaceTrack: async (track: FakeTrack) => void (this.sender.track = track) }
  }
}

class FakePeer {
  connectionState = 'new'
  iceGatheringState = 'complete'
  localDescription: { sdp: string } | null = null
  remote: { type: string; sdp: string } | null = null
  transceivers: FakeTransceiver[] = []
  closed = false
  received = 0
  onconnectionstatechange: (() => void) | null = null
  onicegatheringstatechange: (() => void) | null = null
  ontrack: ((event: { track: FakeTrack }) => void) | null = null
  addTransceiver(what: unknown, options: { direction?: string }) {
    this.transceivers.push(new FakeTransceiver(what as FakeTrack | 'audio' | 'video', options.direction))
  }
  getTransceivers = () => this.transceivers
  createOffer = async () => ({ type: 'offer', sdp: 'offer' })
  setLocalDescription = async () => void (this.localDescription = { sdp: 'offer with candidates' })
  setRemoteDescription = async (remote: { type: string; sdp: string }) => void (this.remote = remote)
  getStats = async () => [{ type: 'inbound-rtp', bytesReceived: this.received }]
  close = () => void (this.closed = true)
  become(state: string) {
    this.connectionState = state
    this.onconnectionstatechange?.()
  }
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn += 1) await Promise.resolve()
}

/** A call in a world of fakes. Time moves only by `tick`; pauses are remembered. */
function world(changed: Partial<CallNeeds> = {}) {
  const peers: FakePeer[] = []
  const left: string[] = []
  const pauses: number[] = []
  const waiting: (() => void)[] = []
  const camera = new FakeStream([new FakeTrack('audio'), new FakeTrack('video')])
  const join = vi.fn(async (_offer: string) => ({ participant: `p${join.mock.calls.length}`, sdp: 'answer' }))
  const needs = {
    protocol: { join, leave: async (id: string) => void left.push(id) },
    newPeer: () => {
      const peer = new FakePeer()
      peers.push(peer)
      return peer
    },
    media: async () => camera,
    wait: (milliseconds: number) => {
      pauses.push(milliseconds)
      return milliseconds < 1000 ? Promise.resolve() : new Promise<void>((done) => waiting.push(done))
    },
    ...changed,
  }
  const call = new Call(needs as unknown as CallNeeds)
  const tick = async (times = 1): Promise<void> => {
    for (let turn = 0; turn < times; turn += 1) {
      for (const done of waiting.splice(0)) done()
      await settle()
    }
  }
  const live = async (): Promise<FakePeer> => {
    await call.prepare()
    await call.join()
    peers.at(-1)!.become('connected')
    await settle()
    return peers.at(-1)!
  }
  return { call, peers, left, pauses, join, camera, tick, live }
}

beforeEach(() => vi.stubGlobal('MediaStream', FakeStream))

describe('call', () => {
  it('goes from idle to the lobby, shows the own picture, connects and is live', async () => {
    const { call, peers, join, camera } = world()
    expect(call.state.value).toBe('idle')
    await call.prepare()
    expect([call.state.value, call.local.value]).toEqual(['lobby', camera])
    await call.join()
    expect(call.state.value).toBe('connecting')
    expect(join).toHaveBeenCalledWith('offer with candidates')
    expect(peers[0]!.remote).toEqual({ type: 'answer', sdp: 'answer' })
    peers[0]!.become('connected')
    expect(call.state.value).toBe('live')
  })

  it('offers one audio and one video line both ways, camera or not', async () => {
    for (const media of [async () => null, undefined]) {
      const { call, peers } = world(media ? { media } : {})
      await call.prepare()
      await call.join()
      const lines = peers[0]!.transceivers
      expect(lines.map(({ receiver }) => receiver.track.kind)).toEqual(['audio', 'video'])
      expect(lines.map(({ direction }) => direction)).toEqual(['sendrecv', 'sendrecv'])
    }
  })

  it('sends camera and microphone as soon as they may be used, even when the person joined before', async () => {
    let allow: (stream: FakeStream) => void = () => undefined
    const { call, peers, camera } = world({ media: () => new Promise<never>((done) => (allow = done as never)) })
    void call.prepare()
    call.toggleMuted()
    await call.join()
    expect(peers[0]!.transceivers.map(({ sender }) => sender.track)).toEqual([null, null])
    allow(camera)
    await settle()
    expect(peers[0]!.transceivers.map(({ sender }) => sender.track)).toEqual(camera.tracks)
    expect(camera.tracks.map(({ enabled }) => enabled)).toEqual([false, true])
  })

  it('waits for the end of ICE gathering, a second at most', async () => {
    const peer = new FakePeer()
    peer.iceGatheringState = 'gathering'
    const { call, join, tick, pauses } = world({ newPeer: () => peer as unknown as RTCPeerConnection })
    await call.prepare()
    void call.join()
    await settle()
    expect(join).not.toHaveBeenCalled()
    expect(pauses).toContain(1000)
    await tick()
    expect(join).toHaveBeenCalledOnce()
  })

  it.each(['disconnected', 'failed', 'closed'])('joins anew by itself when the connection is %s', async (lost) => {
    const { call, peers, left, join, live } = world()
    const first = await live()
    first.become(lost)
    expect(call.state.value).toBe('reconnecting')
    await settle()
    expect(first.closed).toBe(true)
    // Joining anew takes the same place: leaving it now could empty the new one.
    expect(left).toEqual([])
    expect(join).toHaveBeenCalledTimes(2)
    peers[1]!.become('connected')
    expect(call.state.value).toBe('live')
    // The old connection's late words change nothing.
    first.become('failed')
    expect(call.state.value).toBe('live')
  })

  it('joins anew once when everything that came falls silent', async () => {
    const { call, peers, tick, live } = world()
    const first = await live()
    first.received = 100
    await tick()
    expect(call.hearsOther.value).toBe(true)
    await tick(3)
    expect([call.state.value, peers.length]).toEqual(['reconnecting', 2])
    peers[1]!.become('connected')
    await tick(10)
    expect([call.state.value, peers.length, call.hearsOther.value]).toEqual(['live', 2, false])
  })

  it('keeps trying with growing pauses while the room is not open', async () => {
    const answers = [new Failure(409, 'room-closed', 'Not yet.'), new Failure(0, 'offline', ''), null]
    const join = vi.fn(async () => {
      const failure = answers.shift()
      if (failure) throw failure
      return { participant: 'p', sdp: 'answer' }
    })
    const { call, pauses, tick } = world({ protocol: { join, leave: async () => undefined } })
    await call.prepare()
    void call.join()
    await settle()
    await tick(3)
    expect(join).toHaveBeenCalledTimes(3)
    expect(pauses).toEqual([0, 500, 1000])
    expect([call.state.value, call.failure.value]).toEqual(['connecting', null])
  })

  it('ends with the reason when the room refuses for good', async () => {
    const join = async (): Promise<never> => {
      throw new Failure(403, 'forbidden', 'Not your room.')
    }
    const { call, camera } = world({ protocol: { join, leave: async () => undefined } })
    await call.prepare()
    await call.join()
    expect([call.state.value, call.failure.value?.code]).toEqual(['ended', 'forbidden'])
    expect(camera.tracks.every((one) => one.stopped)).toBe(true)
  })

  it('leaves for good: the room is told, the camera is off, nothing reconnects', async () => {
    const { call, left, camera, join, live } = world()
    const peer = await live()
    await call.leave()
    peer.become('failed')
    await settle()
    expect([call.state.value, left, peer.closed]).toEqual(['ended', ['p1'], true])
    expect(camera.tracks.every((one) => one.stopped)).toBe(true)
    expect(join).toHaveBeenCalledOnce()
  })

  it('leaves without a word when another window of the same person has taken the place', async () => {
    const { call, left, live } = world()
    await live()
    await call.leave({ keepPlace: true })
    expect([call.state.value, left]).toEqual(['ended', []])
  })

  it('gives the place back when the person left while the room was answering', async () => {
    let answer: (joined: { participant: string; sdp: string }) => void = () => undefined
    const left: string[] = []
    const protocol = { join: () => new Promise<never>((done) => (answer = done as never)), leave: async (id: string) => void left.push(id) }
    const { call } = world({ protocol })
    await call.prepare()
    void call.join()
    await settle()
    await call.leave()
    answer({ participant: 'late', sdp: 'answer' })
    await settle()
    expect([call.state.value, left]).toEqual(['ended', ['late']])
  })

  it('mutes and hides without leaving', async () => {
    const { call, camera } = world()
    await call.prepare()
    call.toggleMuted()
    call.toggleCamera()
    expect(camera.tracks.map((one) => one.enabled)).toEqual([false, false])
    call.toggleMuted()
    expect([call.muted.value, camera.tracks[0]!.enabled, camera.tracks[1]!.enabled]).toEqual([false, true, false])
  })

  it('shows what the other side sends', async () => {
    const { call, live } = world()
    const peer = await live()
    const tracks = [new FakeTrack('audio'), new FakeTrack('video')]
    for (const track of tracks) peer.ontrack?.({ track })
    expect((call.remote.value as unknown as FakeStream).tracks).toEqual(tracks)
  })
})

describe('protocol', () => {
  it('joins by POST with the offer and leaves by DELETE that outlives the page', async () => {
    const command = vi.fn(async () => ({ participant: 'p 1', sdp: 'answer' }))
    const room = roomOf('enc-1', { command } as never)
    expect(await room.join('offer')).toEqual({ participant: 'p 1', sdp: 'answer' })
    await room.leave('p1')
    expect(command.mock.calls).toEqual([
      ['POST', '/consult/rooms/enc-1/participants', { sdp: 'offer' }],
      ['DELETE', '/consult/rooms/enc-1/participants/p1', undefined, { keepalive: true }],
    ])
  })
})
