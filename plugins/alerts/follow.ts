import { randomUUIDv7 } from 'node:crypto'
import type { Alert } from '../../storage/kit/alert.ts'
import type { Finding } from './findings.ts'

/** What becomes of the alerts by what is found now. Those of other sources than it is about stay as they are. */
export function follow(alerts: readonly Alert[], findings: readonly Finding[], now: Date): Alert[] {
  const isAbout = ({ source, kind }: Finding | Alert, other: Finding | Alert) =>
    source === other.source && kind === other.kind
  const others = alerts.filter((alert) => !findings.some((finding) => isAbout(finding, alert)))
  const followed = findings.flatMap((finding) => {
    const alert = alerts.find((one) => isAbout(one, finding))
    const next = finding.since === null ? end(alert, now) : goOn(alert, finding, finding.since)
    return next ?? []
  })
  return [...others, ...followed]
}

function goOn(alert: Alert | undefined, { source, kind }: Finding, since: Date): Alert {
  // Where its end may have been heard of already, the beginning has to be told again.
  if (alert !== undefined && alert.end_told === 'no') {
    return alert.ended_at === null ? alert : { ...alert, ended_at: null, ...FIRST_TRY }
  }
  return {
    id: randomUUIDv7(),
    source,
    kind,
    since: since.toISOString(),
    ended_at: null,
    begin_told: 'no',
    end_told: 'no',
    ...FIRST_TRY
  }
}

/** Whoever cannot have heard that it began is not told that it is over. */
function end(alert: Alert | undefined, now: Date): Alert | undefined {
  if (alert === undefined || alert.begin_told === 'no') return undefined
  return alert.ended_at === null ? { ...alert, ended_at: now.toISOString(), ...FIRST_TRY } : alert
}

const FIRST_TRY = { failures: 0, retry_at: null }

/** Whether there is something to tell of it now. */
export function isDue({ since, ended_at, begin_told, retry_at }: Alert, now: Date): boolean {
  if (ended_at === null && begin_told === 'yes') return false
  return new Date(since) <= now && (retry_at === null || new Date(retry_at) <= now)
}

/** Before it is tried: whoever comes after a process that dies of it has to take it for heard. */
export function beforeTelling(alert: Alert): Alert {
  if (alert.ended_at !== null) return { ...alert, end_told: 'maybe' }
  return { ...alert, begin_told: 'maybe' }
}

/** @returns undefined where there is nothing left to tell of it */
export function afterTelling(alert: Alert): Alert | undefined {
  return alert.ended_at === null ? { ...alert, begin_told: 'yes', ...FIRST_TRY } : undefined
}

/** The first time sooner than the job comes again. */
const RETRY = { baseMs: 10_000, capMs: 300_000 }

/**
 * @param alert as it was before it was tried
 * @param isUnheard whether the receiver cannot have heard of it
 */
export function afterFailing(alert: Alert, isUnheard: boolean, now: Date): Alert {
  const tried = isUnheard ? alert : beforeTelling(alert)
  const ms = Math.min(RETRY.baseMs * 2 ** alert.failures, RETRY.capMs)
  return { ...tried, failures: alert.failures + 1, retry_at: new Date(now.getTime() + ms).toISOString() }
}
