import type { AdapterState, Storage } from '../kit/contract.ts'
import { newRun } from '../kit/open-run.ts'
import { toPage } from '../kit/page.ts'
import type { Reject } from '../kit/reject.ts'
import { rejectId } from '../kit/rejects.ts'
import type { Run } from '../kit/run.ts'
import { NO_COUNTS } from '../kit/run.ts'
import type { Database, Row } from './database.ts'
import { toBlob } from './query.ts'

type History = Pick<Storage, 'runs' | 'rejects' | 'sources' | 'openRun' | 'writeRejects' | 'closeRun' | 'prune'>

/** By the lease that each run had: neither the clocks of several hosts nor one millisecond can put them out of order. */
const NEWEST_RUN = 'token desc, id desc'

/** Runs, what they rejected, and what is known of their sources. */
export function createHistory({ get, all, run, attempt, transaction, fenced }: Database): History {
  return {
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
    rejects: (source, { limit, after }) =>
      attempt(() => {
        const rows = all(
          `select id, source, run_id, reason, path, raw, event_id, first_seen_at, last_seen_at, count from rejects
           where source = ? and (last_seen_at, id) < (?, ?) order by last_seen_at desc, id desc limit ?`,
          source,
          after?.[0] ?? '~',
          after?.[1] ?? '~',
          limit + 1
        )
        return toPage(rows as unknown as Reject[], limit, (last) => [last.last_seen_at, last.id])
      }),
    sources: () =>
      attempt(() =>
        all('select name, state, last_success_at from sources order by name').map((row) => ({
          source: row.name as string,
          state: JSON.parse((row.state as string | null) ?? 'null') as AdapterState | null,
          last_success_at: row.last_success_at as string | null
        }))
      ),

    openRun: (source, lease) => {
      const opened = newRun(source, lease)
      return fenced(opened, () => {
        run('insert into sources (name) values (?) on conflict do nothing', source)
        const abandoned = run(
          "update runs set finished_at = ?, outcome = 'aborted', reason = 'abandoned' where source = ? and finished_at is null",
          opened.started_at,
          source
        )
        if (abandoned.changes > 0) run('update sources set state = null where name = ?', source)
        run(
          'insert into runs (id, source, token, started_at, counts) values (?, ?, ?, ?, ?)',
          opened.id,
          source,
          lease.token,
          opened.started_at,
          JSON.stringify(NO_COUNTS)
        )
        return opened
      })
    },

    writeRejects: (opened, rejects) =>
      fenced(opened, () => {
        const now = new Date().toISOString()
        for (const reject of rejects) {
          run(
            `insert into rejects values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1)
             on conflict (id) do update set path = ?5, last_seen_at = ?8, count = count + (run_id <> ?3), run_id = ?3`,
            rejectId(opened.source, reject),
            opened.source,
            opened.id,
            reject.reason,
            reject.path,
            reject.raw,
            reject.event_id,
            now
          )
          const known =
            reject.event_id === null
              ? undefined
              : get('select seq from events where id = ? and listed = 1', toBlob(reject.event_id))
          if (known !== undefined) opened.met.add(known.seq as number)
        }
      }),

    closeRun: (opened, end) =>
      fenced(opened, () => {
        const finished = new Date().toISOString()
        const succeeded = end.outcome === 'complete' || end.outcome === 'unchanged'
        run(
          'update sources set state = iif(?, ?, state), last_success_at = coalesce(?, last_success_at) where name = ?',
          end.state === undefined ? 0 : 1,
          JSON.stringify(end.state ?? null),
          succeeded ? finished : null,
          opened.source
        )
        run(
          'update runs set finished_at = ?, outcome = ?, reason = ?, detail = ?, counts = ? where id = ?',
          finished,
          end.outcome,
          end.reason,
          end.detail,
          JSON.stringify(end.counts),
          opened.id
        )
        return toRun(get('select * from runs where id = ?', opened.id)!)
      }),

    prune: (keep) =>
      transaction(() => {
        for (const { name } of all('select name from sources')) {
          run(
            `delete from runs where source = ?1 and token <
             (select token from runs where source = ?1 order by ${NEWEST_RUN} limit 1 offset ?2)`,
            name as string,
            keep.runs - 1
          )
          run(
            `delete from rejects where source = ?1 and (last_seen_at, id) <
             (select last_seen_at, id from rejects where source = ?1 order by last_seen_at desc, id desc limit 1 offset ?2)`,
            name as string,
            keep.rejects - 1
          )
        }
      })
  }
}

function toRun({ counts, token: _token, ...row }: Row): Run {
  return { ...row, counts: JSON.parse(counts as string) } as unknown as Run
}
