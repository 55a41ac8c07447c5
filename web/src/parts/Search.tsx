/** Words in, matching things out: searches when asked to, shows what was found or that nothing was. */

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { t } from '../i18n'
import { Button } from './Button'
import { Field, onSubmit } from './Form'
import { Refusal } from './Notice'
import { useCommand } from './useCommand'

interface Props<T> {
  id: string
  label: string
  hint?: string
  /** Words that stand in the field at first. */
  start?: string
  look: (words: string) => Promise<T[]>
  children: (found: T) => ComponentChildren
}

export function Search<T>({ id, label, hint, start = '', look, children }: Props<T>) {
  const [words, setWords] = useState<string | null>(null)
  const [found, setFound] = useState<T[] | null>(null)
  const searching = useCommand()
  const asked = words ?? start
  const search = () => asked.trim() && searching.run(async () => setFound(await look(asked.trim())))
  return (
    <>
      <form class="search" role="search" onSubmit={onSubmit(search)}>
        <Field id={id} label={label} hint={hint}>
          {(described) => (
            <input {...described} type="search" value={asked} autoComplete="off" data-testid={id}
              onInput={(event) => setWords(event.currentTarget.value)} />
          )}
        </Field>
        <Button type="submit" busy={searching.busy} testid={`${id}-go`}>{t('search')}</Button>
      </form>
      <Refusal failure={searching.failure} />
      <div role="status">
        {found?.length === 0 && <p class="hint">{t('search.nothing')}</p>}
        {found && found.length > 0 && <ul class="found-list" data-testid={`${id}-found`}>{found.map(children)}</ul>}
      </div>
    </>
  )
}
