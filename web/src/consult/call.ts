/** A call as a state machine without markup: idle, lobby, connecting, live, reconnecting, ended. */

import { signal } from '@preact/signals'
import { asFailure, type Failure } from '../fhir/failure'
import type { Protocol } from './protocol'

export type CallState = 'idle' | 'lobby' | 'connecting' | 'live' | 'reconnecting' | 'ended'

export interface CallNeeds {
  protocol: Protocol
  newPeer: () => RTCPeerConnection
  /** Camera and microphone, or what of them there is; null when there is nothing or no leave to use it. */
  media: () => Promise<MediaStream | null>
  wait: (milliseconds: number) => Promise<void>
}

const GATHERING = 1000
const PAUSES = [0, 500, 1000, 2000, 4000]
/** A room that is not open yet, or too much at once: worth asking again. Other refusals are final. */
const WORTH_ASKING_AGAIN = [0, 409, 429, 503]
const SILENCE_TICKS = 3
const LOST: RTCPeerConnectionState[] = ['disconnected', 'failed', 'closed']

export class Call {
  readonly state = signal<CallState>('idle')
  readonly failure = signal<Failure | null>(null)
  readonly local = signal<MediaStream | null>(null)
  readonly remote = signal<MediaStream | null>(null)
  /** Whether anything arrives from the other side. */
  readonly hearsOther = signal(false)
  readonly muted = signal(false)
  readonly cameraOff = signal(false)
  private peer: RTCPeerConnection | null = null
  private participant: string | null = null

  constructor(private readonly needs: CallNeeds) {}

  /** Into the lobby: look at the own picture before anybody else does. */
  async prepare(): Promise<void> {
    if (this.state.value !== 'idle') return
    this.state.value = 'lobby'
    const stream = await this.needs.media()
    // The person may have left while the browser was asking for the camera.
    if (this.over()) stopTracks(stream)
    else if (stream) await this.show(stream)
  }

  /** From the lobby into the room. */
  async join(): Promise<void> {
    if (this.state.value !== 'lobby') return
    this.state.value = 'connecting'
    await this.connect()
  }

  toggleMuted(): void {
    this.muted.value = !this.muted.value
    this.enable()
  }

  toggleCamera(): void {
    this.cameraOff.value = !this.cameraOff.value
    this.enable()
  }

  /** Out of the room for good. `keepPlace`: the person's place there is already taken by another window of theirs. */
  async leave({ keepPlace = false } = {}): Promise<void> {
    if (this.state.value === 'ended') return
    this.state.value = 'ended'
    stopTracks(this.local.value)
    this.local.value = null
    this.letGo()
    if (!keepPlace) await this.tellGone()
  }

  /** The person may have joined before the browser was allowed to use the camera: then the tracks follow now. */
  private async show(stream: MediaStream): Promise<void> {
    this.local.value = stream
    this.enable()
    for (const { sender, receiver } of this.peer?.getTransceivers() ?? []) {
      const track = stream.getTracks().find(({ kind }) => kind === receiver.track.kind)
      if (track && !sender.track) await sender.replaceTrack(track)
    }
  }

  private enable(): void {
    for (const track of this.local.value?.getAudioTracks() ?? []) track.enabled = !this.muted.value
    for (const track of this.local.value?.getVideoTracks() ?? []) track.enabled = !this.cameraOff.value
  }

  /** Tries until the room answers, the person leaves, or the room refuses for good. */
  private async connect(): Promise<void> {
    for (let attempt = 0; !this.over(); attempt += 1) {
      // First of all the old connection is let go, so that its later events are nobody's.
      this.letGo()
      await this.needs.wait(PAUSES[Math.min(attempt, PAUSES.length - 1)]!)
      if (this.over()) return
      try {
        await this.negotiate()
        return
      } catch (thrown) {
        this.failure.value = asFailure(thrown)
        if (!WORTH_ASKING_AGAIN.includes(this.failure.value.status)) return this.leave()
      }
    }
  }

  private async negotiate(): Promise<void> {
    const peer = this.newPeer()
    await peer.setLocalDescription(await peer.createOffer())
    await this.gathered(peer)
    const joined = await this.needs.protocol.join(peer.localDescription!.sdp)
    this.participant = joined.participant
    if (this.over()) return this.tellGone()
    await peer.setRemoteDescription({ type: 'answer', sdp: joined.sdp })
    this.failure.value = null
  }

  private newPeer(): RTCPeerConnection {
    const peer = this.needs.newPeer()
    this.peer = peer
    const stream = this.local.value
    const options: RTCRtpTransceiverInit = { direction: 'sendrecv', streams: stream ? [stream] : [] }
    // Both lines are always offered, so a person without a camera still sees and hears the other.
    peer.addTransceiver(stream?.getAudioTracks()[0] ?? 'audio', options)
    peer.addTransceiver(stream?.getVideoTracks()[0] ?? 'video', options)
    const tracks: MediaStreamTrack[] = []
    peer.ontrack = (event) => {
      tracks.push(event.track)
      this.remote.value = new MediaStream(tracks)
    }
    peer.onconnectionstatechange = () => this.connectionChanged(peer)
    return peer
  }

  private connectionChanged(peer: RTCPeerConnection): void {
    if (peer !== this.peer || this.over()) return
    if (peer.connectionState === 'connected' && this.state.value !== 'live') {
      this.state.value = 'live'
      void this.listen(peer)
    }
    if (LOST.includes(peer.connectionState)) void this.rejoin(peer)
  }

  private async rejoin(lost: RTCPeerConnection): Promise<void> {
    if (lost !== this.peer || this.over()) return
    this.state.value = 'reconnecting'
    await this.connect()
  }

  /**
   * Watches what arrives. When it stops, either the other has left or this connection is dead, which the browser
   * itself notices only after many seconds: joining anew is right for both, and happens once.
   */
  private async listen(peer: RTCPeerConnection): Promise<void> {
    let [received, silent] = [0, 0]
    while (peer === this.peer && !this.over()) {
      const now = await bytesReceived(peer)
      silent = now > received ? 0 : silent + 1
      received = Math.max(now, received)
      if (peer !== this.peer) return
      if (this.hearsOther.value && silent >= SILENCE_TICKS) return this.rejoin(peer)
      this.hearsOther.value = received > 0 && silent < SILENCE_TICKS
      await this.needs.wait(1000)
    }
  }

  private async gathered(peer: RTCPeerConnection): Promise<void> {
    if (peer.iceGatheringState === 'complete') return
    const complete = new Promise<void>((done) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done()
    })
    await Promise.race([complete, this.needs.wait(GATHERING)])
  }

  private letGo(): void {
    this.peer?.close()
    this.peer = null
    this.hearsOther.value = false
  }

  /** Only when leaving for good: joining anew takes the same place, and a late word would empty it. */
  private async tellGone(): Promise<void> {
    const participant = this.participant
    this.participant = null
    // A room that cannot be told will notice by itself.
    if (participant) await this.needs.protocol.leave(participant).catch(() => undefined)
  }

  private over(): boolean {
    return this.state.value === 'ended'
  }
}

function stopTracks(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop()
}

async function bytesReceived(peer: RTCPeerConnection): Promise<number> {
  let bytes = 0
  const report = await peer.getStats()
  report.forEach((one: { type: string; bytesReceived?: number }) => {
    if (one.type === 'inbound-rtp') bytes += one.bytesReceived ?? 0
  })
  return bytes
}
