/** When, with whom, where and how. */

import type { Appointment } from 'fhir/r4'
import { t } from '../i18n'
import { day, time } from '../i18n/format'
import { visitType, who } from './appointment'
import { nameFor } from './names'

export function AppointmentFacts({ appointment }: { appointment: Appointment }) {
  const { doctor, service, location } = who(appointment, nameFor)
  const kind = visitType(appointment) ?? (isVirtual(appointment) ? 'VR' : 'AMB')
  const start = appointment.start ?? ''
  return (
    <dl class="facts">
      <div><dt>{t('facts.when')}</dt><dd><time dateTime={start}>{day(start)} <strong>{time(start)}</strong></time></dd></div>
      <div><dt>{t('facts.doctor')}</dt><dd>{doctor}</dd></div>
      <div><dt>{t('facts.department')}</dt><dd>{service}</dd></div>
      <div><dt>{t('facts.how')}</dt><dd>{kind === 'VR' ? t('kind.VR') : `${t('kind.AMB')} ${location}`}</dd></div>
    </dl>
  )
}

const isVirtual = (appointment: Appointment): boolean =>
  appointment.extension?.some((one) => one.url.endsWith('virtualService')) ?? false
