/** The patient's live place in the queue. */

import { t } from '../i18n'
import { Loading, Refusal } from '../parts/Notice'
import { useLive } from '../parts/useLive'
import { place } from './queue'

export function QueuePlace({ appointment }: { appointment: string }) {
  const now = useLive(['Appointment', 'Schedule'], () => place(appointment), [appointment])
  if (now.failure) return <Refusal failure={now.failure} again={now.look} />
  if (!now.value) return <Loading />
  const { number, ahead, doctorPresent } = now.value
  return (
    <div class="queue-place" role="status" data-testid="queue-place">
      <p class="big-number"><span>{t('queue.your-number')}</span> <strong data-testid="queue-number">{number}</strong></p>
      <p data-testid="queue-ahead">{ahead === 0 ? t('queue.next') : t('queue.ahead', { count: ahead ?? '–' })}</p>
      {doctorPresent === false && <p class="hint">{t('queue.doctor-away')}</p>}
      <p class="hint">{t('queue.stay')}</p>
    </div>
  )
}
