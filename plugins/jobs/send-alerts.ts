import type { Alert } from '../../storage/kit/alert.ts'
import { findAll } from '../alerts/findings.ts'
import { afterFailing, afterTelling, beforeTelling, follow, isDue } from '../alerts/follow.ts'
import { writeNotice } from '../alerts/notice.ts'
import { tell } from '../alerts/tell.ts'
import { counter } from '../metrics/family.ts'
import { defineJob } from './kit/define.ts'

/** After this no further one is sent in the same round. */
const ROUND_MS = 30_000
/** For reading and writing the storage. */
const BESIDES_MS = 20_000

/**
 * Tells somebody when a source fails, is stale or suspicious, and when that is over. What has been told is in the storage, so
 * it does not matter which process does it next.
 */
export default defineJob((app) => {
  const { alerts: settings } = app.config
  if (settings.url === '') return []
  const deliveries = { delivered: 0, failed: 0 }
  app.metrics.add(() => [
    counter(
      'event_service_alert_deliveries_total',
      'Notices sent to the receiver of alerts, each try by itself',
      Object.entries(deliveries).map(([outcome, value]) => ({ labels: { outcome }, value }))
    )
  ])
  return {
    name: 'send-alerts',
    cron: '*/15 * * * * *',
    timeoutMs: ROUND_MS + settings.timeout * 1000 + BESIDES_MS,
    async run({ signal, log, lease }) {
      const { storage, http } = app
      const started = performance.now()
      const before = await storage.alerts()
      const now = lease.now()
      const findings = await findAll(storage, { sources: app.sources.list, failures: settings.failures, now })
      const followed = follow(before, findings, now)
      const due = followed.filter((alert) => isDue(alert, now))
      const all = new Map<string, Alert>(followed.map((alert) => [alert.id, alert]))
      const save = () => storage.saveAlerts(lease, [...all.values()])

      for (const alert of due) all.set(alert.id, beforeTelling(alert))
      if (JSON.stringify([...all.values()]) !== JSON.stringify(before)) await save()
      if (due.length === 0) return

      const untried = new Set(due)
      try {
        for (const alert of due) {
          if (performance.now() - started > ROUND_MS) break
          untried.delete(alert)
          const notice = await writeNotice(storage, alert)
          const failed = await tell(notice, { http, settings, now: lease.now(), signal })
          const { id, source, kind, status } = notice
          const about = { source, alert: kind, status, notice: id }
          if (failed === undefined) {
            deliveries.delivered++
            const told = afterTelling(alert)
            if (told === undefined) all.delete(alert.id)
            else all.set(alert.id, told)
            log.info(about, 'an alert was delivered')
            continue
          }
          deliveries.failed++
          const next = afterFailing(alert, failed.isUnheard, lease.now())
          all.set(alert.id, next)
          const { detail, hint } = failed
          log.warn({ ...about, hint, retry_at: next.retry_at }, `an alert could not be delivered: ${detail}`)
          // The others would fare no better, and each would wait as long.
          if (!failed.isRefused) break
        }
      } finally {
        for (const alert of untried) all.set(alert.id, alert)
        await save()
      }
    }
  }
})
