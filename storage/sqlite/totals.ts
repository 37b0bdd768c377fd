import type { ChangeTotals, EventCount, RunTotal, Storage } from '../kit/contract.ts'
import type { RunCounts } from '../kit/run.ts'
import type { Database, Row } from './database.ts'

type Totals = Pick<Storage, 'runTotals' | 'changeTotals' | 'countEvents'>

/** What is counted where it happens, so that nobody has to count it when it is asked for. */
export function createTotals({ all, attempt }: Database): Totals {
  const read = <T>(sql: string) => attempt(() => all(sql).map((row: Row) => ({ ...row }) as T))
  return {
    runTotals: () => read<RunTotal>("select source, kind, outcome, nullif(reason, '') as reason, runs from run_totals"),
    changeTotals: () =>
      read<ChangeTotals>(
        'select name as source, created, updated, removed as delisted, restored, rejected from sources order by name'
      ),
    countEvents: () =>
      read<EventCount>(
        'select name as source, listed_events as listed, delisted_events as delisted from sources order by name'
      )
  }
}

/** In the transaction that closes the run. */
export function addTotals({ run }: Database, source: string, counts: RunCounts): void {
  const { created, updated, delisted, restored, rejected } = counts
  run(
    `update sources set created = created + ?, updated = updated + ?, removed = removed + ?, restored = restored + ?,
       rejected = rejected + ? where name = ?`,
    created,
    updated,
    delisted,
    restored,
    rejected,
    source
  )
}
