import type { ChangeTotals, Storage } from '../kit/contract.ts'
import type { RunCounts } from '../kit/run.ts'
import { type Database, READ } from './database.ts'
import { toTotals } from './run-totals.ts'

type Totals = Pick<Storage, 'runTotals' | 'changeTotals' | 'countEvents'>

/** Of a count, which nobody waits for: some hundred thousand keys a second on a slow server. */
const COUNT = { maxTimeMS: 25_000, hint: 'events_listed' }

const NOTHING = { created: 0, updated: 0, delisted: 0, restored: 0, rejected: 0 }

export function createTotals({ sources, events, answer, attempt }: Database): Totals {
  return {
    runTotals: () =>
      answer(async () => {
        const rows = await sources.find({}, { ...READ, projection: { totals: 1 } }).toArray()
        return rows.flatMap(({ _id, totals = {} }) => toTotals(_id, totals))
      }),
    changeTotals: () =>
      answer(async () => {
        const rows = await sources
          .find({}, { ...READ, projection: { changes: 1 } })
          .sort({ _id: 1 })
          .toArray()
        return rows.map(({ _id, changes }): ChangeTotals => ({ source: _id, ...NOTHING, ...changes }))
      }),
    // Counted, of an index alone: a number kept beside them would be wrong after each crash between the two.
    countEvents: () =>
      attempt(async () => {
        const rows = await sources
          .find({}, { ...READ, projection: { _id: 1 } })
          .sort({ _id: 1 })
          .toArray()
        const count = (source: string, status: 'listed' | 'delisted') =>
          events.countDocuments({ source, status }, COUNT)
        return Promise.all(
          rows.map(async ({ _id: source }) => {
            const [listed, delisted] = await Promise.all([count(source, 'listed'), count(source, 'delisted')])
            return { source, listed, delisted }
          })
        )
      })
  }
}

/** What to add to a source's document. */
export function changesOf({ created, updated, delisted, restored, rejected }: RunCounts): Record<string, number> {
  const counts = Object.entries({ created, updated, delisted, restored, rejected })
  return Object.fromEntries(counts.map(([name, count]) => [`changes.${name}`, count]))
}
