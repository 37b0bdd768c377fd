import type { Database } from './database.ts'

/** The source's number in `events`; one that has a run has one. */
export function sourceNumber({ get }: Database, source: string): number {
  return get('select no from sources where name = ?', source)!.no as number
}

/** What is to be written of all events, in the transaction that changes some: each change has a number and a time. */
export interface Changes {
  /** Milliseconds since 1970: never before that of a former change, whatever the clock says. */
  now: number
  at: string
  /** The number of the next one. */
  next(): number
  /** How far wall clocks are ahead of UTC, in seconds. */
  noteAhead(seconds: number): void
  /** At the end of the transaction. */
  save(): void
}

/**
 * Every change grows the revision by one, which is its number: so the order of numbers is the order in which they are
 * committed.
 */
export function beginChanges({ all, run }: Database, clock: Date): Changes {
  const meta: Record<string, number> = {}
  for (const { key, value } of all('select key, value from meta')) meta[key as string] = value as number
  const before = { ...meta }
  const now = Math.max(clock.getTime(), meta.last_change_at!)
  return {
    now,
    at: new Date(now).toISOString(),
    next() {
      meta.last_change_at = now
      return ++meta.revision!
    },
    noteAhead(seconds) {
      if (seconds > meta.most_ahead!) meta.most_ahead = seconds
      if (seconds < meta.least_ahead!) meta.least_ahead = seconds
    },
    save() {
      for (const [key, value] of Object.entries(meta)) {
        if (value !== before[key]) run('update meta set value = ? where key = ?', value, key)
      }
    }
  }
}

/** How many events of a source are listed, and are not, in the transaction that changes it. */
export function countListed({ run }: Database, source: number, changes: { listed: number; delisted: number }): void {
  const { listed, delisted } = changes
  if (listed === 0 && delisted === 0) return
  run(
    'update sources set listed_events = listed_events + ?, delisted_events = delisted_events + ? where no = ?',
    listed,
    delisted,
    source
  )
}
