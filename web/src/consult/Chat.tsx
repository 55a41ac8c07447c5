/** Written words beside the picture. */

import type { Communication, Encounter } from 'fhir/r4'
import { useEffect, useRef, useState } from 'preact/hooks'
import { t } from '../i18n'
import { time } from '../i18n/format'
import { Button } from '../parts/Button'
import { onSubmit } from '../parts/Form'
import { Refusal } from '../parts/Notice'
import { useCommand } from '../parts/useCommand'
import { useLive } from '../parts/useLive'
import { messages, say } from './encounter'

interface Props {
  encounter: Encounter
  me: string
  other: string
  closed: boolean
}

export function Chat({ encounter, me, other, closed }: Props) {
  const said = useLive(['Communication', 'Encounter'], () => messages(encounter.id!), [encounter.id])
  const [words, setWords] = useState('')
  const sending = useCommand()
  async function send(): Promise<void> {
    const content = words.trim()
    if (!content) return
    if (await sending.run(() => say(content, encounter, me))) setWords('')
    said.look()
  }
  return (
    <section class="chat panel" aria-labelledby="chat-title">
      <h2 id="chat-title">{t('chat.title')}</h2>
      <Log said={said.value ?? []} me={me} other={other} />
      <Refusal failure={sending.failure ?? said.failure} />
      {!closed && (
        <form class="chat-form" onSubmit={onSubmit(send)}>
          <label class="hidden" for="chat-words">{t('chat.write')}</label>
          <input id="chat-words" value={words} maxLength={1000} autoComplete="off" placeholder={t('chat.write')}
            onInput={(event) => setWords(event.currentTarget.value)} data-testid="chat-input" />
          <Button type="submit" busy={sending.busy} testid="chat-send">{t('chat.send')}</Button>
        </form>
      )}
    </section>
  )
}

function Log({ said, me, other }: { said: Communication[]; me: string; other: string }) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => box.current?.scrollTo({ top: box.current.scrollHeight }), [said.length])
  return (
    <div ref={box} class="chat-log" role="log" aria-label={t('chat.title')} tabIndex={0} data-testid="chat-log">
      {said.length === 0 && <p class="hint">{t('chat.none')}</p>}
      <ol>
        {said.map((one) => {
          const mine = one.sender?.reference === me
          return (
            <li key={one.id} class={mine ? 'mine' : undefined} data-testid="chat-message">
              <span class="hint">{mine ? t('call.you') : other} {one.sent && time(one.sent)}</span>
              <p>{one.payload?.[0]?.contentString}</p>
            </li>
          )
        })}
      </ol>
    </div>
  )
}
