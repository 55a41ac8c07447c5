/** Find a doctor by district, hospital and department, and see the free times. */

import { useState } from 'preact/hooks'
import { language, t } from '../i18n'
import { nameOf } from '../fhir/read'
import { page } from '../page'
import { Button } from '../parts/Button'
import { onSubmit, Select } from '../parts/Form'
import { Refusal } from '../parts/Notice'
import { Page } from '../parts/Page'
import { useLive } from '../parts/useLive'
import type { Kind, Wanted } from './booking'
import { departments, districtOf, districtsOf, doctors, hospitals } from './directory'
import { FreeTimes } from './FreeTimes'

export function Find({ patient }: { patient: string }) {
  const [wanted, setWanted] = useState<Wanted>({})
  const [kind, setKind] = useState<Kind>(page.value[1] === 'AMB' ? 'AMB' : 'VR')
  const [asked, setAsked] = useState<{ wanted: Wanted; kind: Kind } | null>(null)
  return (
    <Page title={t('find.title')}>
      <p class="lead">{t('find.lead')}</p>
      <form class="panel" onSubmit={onSubmit(() => setAsked({ wanted: { ...wanted }, kind }))}>
        <Places wanted={wanted} onChange={setWanted} />
        <fieldset class="inline">
          <legend>{t('find.kind')}</legend>
          {(['VR', 'AMB'] as const).map((one) => (
            <label class="choice" key={one}>
              <input type="radio" name="kind" checked={kind === one} onChange={() => setKind(one)} data-testid={`kind-${one}`} />
              <span>{t(`kind.${one}`)}</span>
            </label>
          ))}
        </fieldset>
        <Button type="submit" look="primary" testid="find">{t('find.show')}</Button>
      </form>
      {asked && <FreeTimes key={JSON.stringify(asked)} {...asked} patient={patient} />}
    </Page>
  )
}

/** The four choices, each narrowing the next. */
function Places({ wanted, onChange }: { wanted: Wanted; onChange: (wanted: Wanted) => void }) {
  const all = useLive([], hospitals)
  const clinics = useLive([], async () => (wanted.hospital ? departments(wanted.hospital) : []), [wanted.hospital])
  const people = useLive([], async () => (wanted.service ? doctors(wanted.service) : []), [wanted.service])
  const known = all.value ?? []
  const near = known.filter((one) => !wanted.district || districtOf(one)?.code === wanted.district)
  const named = (one: { id?: string; name?: unknown }): [string, string] => [one.id ?? '', nameOf(one as never, language.value)]
  return (
    <div class="fields">
      <Refusal failure={all.failure ?? clinics.failure ?? people.failure} again={all.look} />
      <Select id="district" label={t('find.district')} any={t('find.any-district')} value={wanted.district ?? ''}
        options={districtsOf(known).map((one) => [one.code, one.name])}
        onChange={(district) => onChange({ district })} />
      <Select id="hospital" label={t('find.hospital')} any={t('find.any-hospital')} value={wanted.hospital ?? ''}
        options={near.map(named)}
        onChange={(hospital) => onChange({ district: wanted.district, hospital })} />
      <Select id="department" label={t('find.department')} any={t('find.any-department')} value={wanted.service ?? ''}
        disabled={!wanted.hospital} options={(clinics.value ?? []).map(named)}
        onChange={(service) => onChange({ ...wanted, service, practitioner: undefined })} />
      <Select id="doctor" label={t('find.doctor')} any={t('find.any-doctor')} value={wanted.practitioner ?? ''}
        disabled={!wanted.service} options={(people.value ?? []).map((one) => named(one.practitioner))}
        onChange={(practitioner) => onChange({ ...wanted, practitioner })} />
    </div>
  )
}
