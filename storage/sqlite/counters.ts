import type { Database } from './database.ts'

/** The source's number in `events`; one that has a run has one. */
export function sourceNumber({ get }: Database, source: string): number {
  return get('select no from sources where name = ?', source)!.no as number
}

/** Counts changes of events, in the transaction that makes them. */
export function growRevision({ run }: Database, changes: number): void {
  if (changes > 0) run("update meta set value = value + ? where key = 'revision'", changes)
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
