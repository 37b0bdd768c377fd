import { Cron } from 'croner'
import type { Agenda, Occasion } from '../../storage/kit/contract.ts'
import { MOST_AHEAD_MS } from '../../storage/kit/leases.ts'
import type { JobDefinition } from '../jobs/kit/contract.ts'

/** So many holders in a row may vanish before it is left to the cron: what a job reads may end the process that reads it. */
const MOST_VANISHED = 3

/**
 * What a job is to be run for now, by the storage's clock: its cron, the start, a retry, or a run that somebody left
 * unfinished. Every process finds the same, and the lease is given to one of them.
 * @param startedAt when this process started, by the storage's clock
 * @param retry what it is to be run for again, since it failed here
 * @returns null while there is nothing to do
 */
export function findDue(
  { name, cron, timezone = 'UTC', atStart = false, source }: JobDefinition,
  { now, leases, circuits, paused }: Agenda,
  startedAt: number,
  retry: Occasion | null = null
): Occasion | null {
  const lease = leases.find((one) => one.name === name)
  const isHeld = lease !== undefined && lease.holder !== null && lease.expires > now
  if (isHeld && lease.expires <= now + MOST_AHEAD_MS) return null
  if (source !== undefined && paused.includes(source.name)) return null
  if (lease?.unfinished && lease.vanished < MOST_VANISHED) return { abandoned: true }
  // Further ahead it was set while the clock was wrong, too.
  const attended = (lease?.attended_at ?? 0) > now + MOST_AHEAD_MS ? null : (lease?.attended_at ?? null)
  if (retry !== null) return retry

  if (source !== undefined) {
    const retryAt = Date.parse(circuits.find((one) => one.source === source.name)?.circuit.retry_at ?? '')
    // Further away than any can be, it was set while a clock was wrong.
    const most = Math.max(source.backoff_cap, source.retry_after_cap) * 1000
    if (retryAt > now && retryAt <= now + most) return null
    if (retryAt <= now && (attended ?? 0) < retryAt) return { since: retryAt }
  }
  if (atStart && (attended ?? 0) < startedAt) return { since: startedAt }
  // What was due while nobody ran is left alone; that is what `atStart` is for.
  const tick = nextTick(cron, timezone, Math.max(attended ?? startedAt, startedAt))
  return tick <= now ? { since: tick } : null
}

/** Asked several times a second, and the same for minutes. */
const ticks = new Map<string, { after: number; tick: number }>()

/** @returns Infinity where there is none */
function nextTick(cron: string, timezone: string, after: number): number {
  const key = `${cron} ${timezone}`
  const known = ticks.get(key)
  if (known?.after === after) return known.tick
  const tick = new Cron(cron, { timezone }).nextRun(new Date(after))?.getTime() ?? Number.POSITIVE_INFINITY
  ticks.set(key, { after, tick })
  return tick
}
