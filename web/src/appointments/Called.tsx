/** "You are called": on every page of the patient, the moment the doctor calls. */

import { t } from '../i18n'
import { isoDay } from '../i18n/format'
import { link, page } from '../page'
import { useLive } from '../parts/useLive'
import { isCalled, who } from './appointment'
import { ownAppointments } from './booking'
import { nameFor } from './names'

export function Called({ patient }: { patient: string }) {
  const own = useLive(['Appointment'], () => ownAppointments(patient, isoDay(new Date())), [patient])
  const called = own.value?.find((one) => isCalled(one) && one.status !== 'fulfilled' && one.status !== 'cancelled')
  // The region stands there from the start: screen readers announce what appears in it.
  return (
    <div role="alert" class="called-region">
      {called && page.value[0] !== 'room' && (
        <div class="called" data-testid="called">
          <p><strong>{t('called.title')}</strong> {t('called.by', { doctor: who(called, nameFor).doctor })}</p>
          <a class="button-primary button-big" href={link('room', called.id!)} data-testid="called-enter">{t('called.enter')}</a>
        </div>
      )}
    </div>
  )
}
