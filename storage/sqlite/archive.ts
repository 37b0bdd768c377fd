import { setImmediate as nextTurn } from 'node:timers/promises'
import { STATE_COLUMNS } from './columns.ts'
import type { Database } from './database.ts'

const COLUMNS = ['id', 'source', 'version', 'change', 'run_id', ...STATE_COLUMNS, 'json'].join(', ')

/** Keeps the state that is about to be replaced. */
export function archive({ run }: Database, seq: number, replaced: number): void {
  run(
    `insert into versions (event, replaced, ${COLUMNS}) select seq, ?, ${COLUMNS} from events where seq = ?`,
    replaced,
    seq
  )
}

const PRUNED_AT_ONCE = 500
/** The number of the last change whose state was replaced before a time. */
export const LAST_BEFORE =
  'select coalesce(max(change), 0) as last from versions indexed by versions_by_replaced where replaced < ?'

/** Forgets how events were before this time, step by step, for others want to write meanwhile. */
export async function pruneVersions({ get, run, transaction }: Database, since: number): Promise<void> {
  // First, so that nobody asks for what is there in part.
  await transaction(() => {
    const { last } = get(LAST_BEFORE, since)!
    run("update meta set value = max(value, ?) where key = 'last_forgotten'", last as number)
    const { changes } = run("update meta set value = ? where key = 'history_since' and value < ?", since, since)
    // What is answered from memory of the past must not be answered any more.
    if (changes > 0) run("update meta set value = value + 1 where key = 'revision'")
  })
  for (let deleted = PRUNED_AT_ONCE; deleted === PRUNED_AT_ONCE; ) {
    await nextTurn()
    deleted = await transaction(
      () =>
        run(
          'delete from versions where no in (select no from versions where replaced < ? limit ?)',
          since,
          PRUNED_AT_ONCE
        ).changes
    )
  }
}
