import type { OpenRun } from '../kit/contract.ts'
import { type Database, READ } from './database.ts'

// There is no order of all changes, but one of each source's: its lease lets one run write at a time, and that writes them
// in the order of their numbers.

const MOST_A_LEASE = 2 ** 26

/** No change under this token is before it. */
export const firstOf = (token: number) => token * MOST_A_LEASE

/** Of the next change that a run makes: greater than all former ones of its source. */
export function nextChange(run: OpenRun): number {
  return firstOf(run.lease.token) + ++run.changes
}

/** The source's last one after this; or this, where there is none. */
export async function lastChangeOf({ events }: Database, source: string, after = 0): Promise<number> {
  const options = { ...READ, projection: { _id: 0, change: 1 }, sort: { change: -1 } } as const
  const last = await events.findOne({ source, change: { $gt: after } }, options)
  return last?.change ?? after
}

/** How many there are of former runs under the same lease. */
export async function changesBefore(database: Database, { source, lease }: OpenRun): Promise<number> {
  const first = firstOf(lease.token)
  return (await lastChangeOf(database, source, first)) - first
}
