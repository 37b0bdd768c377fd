import type { Database } from './database.ts'

/** The source's number in `events`; one that has a run has one. */
export function sourceNumber({ get }: Database, source: string): number {
  return get('select no from sources where name = ?', source)!.no as number
}

/** Counts changes of events, in the transaction that makes them. */
export function growRevision({ run }: Database, changes: number): void {
  if (changes > 0) run("update meta set value = value + ? where key = 'revision'", changes)
}
