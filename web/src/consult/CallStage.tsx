/** Both pictures and the controls of a call. */

import { useEffect, useRef } from 'preact/hooks'
import { failureWords, t } from '../i18n'
import { Button } from '../parts/Button'
import { Notice } from '../parts/Notice'
import type { Call } from './call'

export function CallStage({ call, other }: { call: Call; other: string }) {
  const state = call.state.value
  return (
    <section class="stage" aria-label={t('call.stage')} data-testid="call" data-state={state}>
      <div class="pictures">
        <Picture stream={call.remote.value} label={other} class="picture-remote" testid="remote-video" />
        <Picture stream={call.local.value} label={t('call.you')} class="picture-local" testid="local-video" own />
        {!call.hearsOther.value && state !== 'lobby' && <p class="picture-words">{waitingWords(call, other)}</p>}
      </div>
      <p class="call-state" role="status" data-testid="call-state">{t(`call.${state}`)}</p>
      {call.failure.value && <Notice tone={state === 'ended' ? 'bad' : 'warn'} role="alert">{failureWords(call.failure.value)}</Notice>}
      {state === 'lobby' && <Lobby call={call} />}
      {state !== 'idle' && state !== 'ended' && <Controls call={call} />}
    </section>
  )
}

function waitingWords(call: Call, other: string): string {
  return call.state.value === 'live' ? t('call.waiting', { other }) : t(`call.${call.state.value}`)
}

function Lobby({ call }: { call: Call }) {
  return (
    <>
      {!call.local.value && <p class="hint">{t('call.allow')}</p>}
      <Button look="primary" testid="join" onClick={() => void call.join()}>{t('call.join')}</Button>
    </>
  )
}

function Controls({ call }: { call: Call }) {
  const [muted, off] = [call.muted.value, call.cameraOff.value]
  return (
    <div class="controls" role="group" aria-label={t('call.controls')}>
      <Button aria-pressed={muted} testid="mute" onClick={() => call.toggleMuted()}>{t(muted ? 'call.unmute' : 'call.mute')}</Button>
      <Button aria-pressed={off} testid="camera" onClick={() => call.toggleCamera()}>{t(off ? 'call.camera-on' : 'call.camera-off')}</Button>
      {call.state.value !== 'lobby' && (
        <Button look="danger" testid="leave" onClick={() => void call.leave()}>{t('call.leave')}</Button>
      )}
    </div>
  )
}

interface PictureProps {
  stream: MediaStream | null
  label: string
  class: string
  testid: string
  own?: boolean
}

function Picture({ stream, label, own, testid, class: looks }: PictureProps) {
  const video = useRef<HTMLVideoElement>(null)
  useEffect(() => {
    if (!video.current) return
    video.current.srcObject = stream
    // A browser may refuse to play sound before the first press on the page; the press on "join" has been one.
    if (stream) video.current.play().catch(() => undefined)
  }, [stream])
  return <video ref={video} class={looks} aria-label={label} muted={own} autoPlay playsInline data-testid={testid} />
}
