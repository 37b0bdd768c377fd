import type { SQLOutputValue } from 'node:sqlite'
import type { AdapterState, Agenda, OpenRun, RunEnd, Storage, Suspicion } from '../kit/contract.ts'
import { newRun } from '../kit/open-run.ts'
import { toPage } from '../kit/page.ts'
import type { Run } from '../kit/run.ts'
import { NO_COUNTS } from '../kit/run.ts'
import { pruneVersions } from './archive.ts'
import { endForgottenCommands, finishCommandOf, pruneCommands } from './commands.ts'
import type { Database, Row, SqlValue } from './database.ts'
import { buildIndexes } from './indexes.ts'
import { addTotals } from './totals.ts'

type History = Pick<Storage, 'run' | 'runs' | 'sources' | 'openRun' | 'closeRun' | 'prune'>

/** By the lease that each run had: neither the clocks of several hosts nor one millisecond can put them out of order. */
const NEWEST_RUN = 'token desc, id desc'

/** Runs, and what is known of their sources. */
export function createHistory(database: Database): History {
  const { get, all, run, attempt, transaction, fenced } = database
  function finish({ id, source, kind }: Pick<OpenRun, 'id' | 'source' | 'kind'>, end: RunEnd, at: string): void {
    run(
      'update runs set finished_at = ?, outcome = ?, reason = ?, detail = ?, counts = ? where id = ?',
      at,
      end.outcome,
      end.reason,
      end.detail,
      JSON.stringify(end.counts),
      id
    )
    run(
      'insert into run_totals values (?, ?, ?, ?, 1) on conflict do update set runs = runs + 1',
      source,
      kind,
      end.outcome,
      end.reason ?? ''
    )
  }

  return {
    run: (source, id) =>
      attempt(() => {
        const row = get('select * from runs where id = ? and source = ?', id, source)
        return row === undefined ? null : toRun(row)
      }),
    runs: (source, { limit, after }) =>
      attempt(() => {
        const [token, id] = after ?? [Number.MAX_SAFE_INTEGER, '']
        const rows = all(
          `select * from runs where source = ? and (token, id) < (?, ?) order by ${NEWEST_RUN} limit ?`,
          source,
          Number(token),
          id as string,
          limit + 1
        )
        const { items, next } = toPage(rows, limit, (last) => [String(last.token), last.id as string])
        return { items: items.map(toRun), next }
      }),
    sources: () =>
      attempt(() =>
        all('select * from sources order by name').map((row) => ({
          source: row.name as string,
          state: parse<AdapterState>(row.state),
          last_success_at: row.last_success_at as string | null,
          snapshot_at: row.snapshot_at as string | null,
          circuit: { failures: row.failures as number, retry_at: row.retry_at as string | null },
          suspicion: parse<Suspicion>(row.suspicion)
        }))
      ),

    openRun: (source, lease, kind = 'fetch', id) => {
      const opened = newRun(source, lease, kind, id)
      return fenced(opened, () => {
        run('insert into sources (name) values (?) on conflict do nothing', source)
        const abandoned = all('select id, source, kind from runs where source = ? and finished_at is null', source)
        const end = { outcome: 'aborted', reason: 'abandoned', detail: null, counts: NO_COUNTS } as const
        for (const row of abandoned) {
          if (row.id !== opened.id) finish(row as unknown as OpenRun, end, opened.started_at)
        }
        if (abandoned.length > 0) run('update sources set state = null where name = ?', source)
        run('delete from bodies where source = ? and run_id not in (select run_id from snapshots)', source)
        run(
          `insert into runs (id, source, token, started_at, counts, kind) values (?, ?, ?, ?, ?, ?)
           on conflict (id) do update set token = excluded.token, started_at = excluded.started_at`,
          opened.id,
          source,
          lease.token,
          opened.started_at,
          JSON.stringify(NO_COUNTS),
          kind
        )
        return opened
      })
    },

    closeRun: async (opened, end) => {
      await buildIndexes(database, opened)
      return fenced(opened, () => {
        const finished = opened.lease.now().toISOString()
        const { source, kind } = opened
        const set = (column: string, value: SqlValue) =>
          run(`update sources set ${column} = ? where name = ?`, value, source)
        if (end.state !== undefined) set('state', end.state && JSON.stringify(end.state))
        if (end.suspicion !== undefined) set('suspicion', end.suspicion && JSON.stringify(end.suspicion))
        if (end.circuit !== undefined) {
          set('failures', end.circuit.failures)
          set('retry_at', end.circuit.retry_at)
        }
        if (kind === 'fetch' && end.readWhole) set('snapshot_at', opened.started_at)
        if (kind === 'fetch' && ['complete', 'unchanged'].includes(end.outcome)) set('last_success_at', finished)
        finish(opened, end, finished)
        addTotals(database, source, end.counts)
        finishCommandOf(database, opened, end)
        return toRun(get('select * from runs where id = ?', opened.id)!)
      })
    },

    prune: async (keep) => {
      await transaction(() => {
        endForgottenCommands(database)
        for (const { name } of all('select name from sources union select source from commands')) {
          run(
            `delete from runs where source = ?1 and (token, id) <
             (select token, id from runs where source = ?1 order by ${NEWEST_RUN} limit 1 offset ?2)`,
            name as string,
            keep.runs - 1
          )
          pruneCommands(database, name as string, keep.runs)
        }
      })
      if (keep.historySince !== undefined) await pruneVersions(database, Date.parse(keep.historySince))
    }
  }
}

export function circuits({ all }: Database): Agenda['circuits'] {
  return all('select name, failures, retry_at from sources').map(({ name, failures, retry_at }) => ({
    source: name as string,
    circuit: { failures: failures as number, retry_at: retry_at as string | null }
  }))
}

function toRun({ counts, token: _token, ...row }: Row): Run {
  return { ...row, counts: { ...NO_COUNTS, ...JSON.parse(counts as string) } } as unknown as Run
}

function parse<T>(json: SQLOutputValue | undefined): T | null {
  return JSON.parse((json as string | null) ?? 'null') as T | null
}
