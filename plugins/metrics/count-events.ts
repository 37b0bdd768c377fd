import { setTimeout as sleep } from 'node:timers/promises'
import type { EventCount, Storage } from '../../storage/kit/contract.ts'
import { type Family, gauge } from './family.ts'

/** Where events are counted for it, that takes the longer the more there are: it is then done the less often. */
const PAUSE = { timesItTook: 100, mostMs: 60_000 }
/** Whoever asks gets the former number if it takes longer than this. */
const PATIENCE_MS = 2000

export function countEvents(storage: Storage): () => Promise<Family[]> {
  let last: EventCount[] | undefined
  let counting: Promise<void> | undefined
  let countAgainAt = 0

  async function count(): Promise<void> {
    const asked = performance.now()
    // What fails is told of where the storage is watched.
    last = await storage.countEvents().catch(() => undefined)
    const now = performance.now()
    countAgainAt = now + Math.min((now - asked) * PAUSE.timesItTook, PAUSE.mostMs)
    counting = undefined
  }
  return async () => {
    if (performance.now() > countAgainAt) counting ??= count()
    await Promise.race([counting, sleep(PATIENCE_MS, undefined, { ref: false })])
    const values = last?.flatMap(({ source, listed, delisted }) => [
      { labels: { source, status: 'listed' }, value: listed },
      { labels: { source, status: 'delisted' }, value: delisted }
    ])
    return values === undefined
      ? []
      : [gauge('event_service_events', 'Events that are kept, about a minute ago', values)]
  }
}
