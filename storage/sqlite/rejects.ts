import type { KeptReject, Storage } from '../kit/contract.ts'
import { toPage } from '../kit/page.ts'
import { rejectId } from '../kit/rejects.ts'
import type { Database } from './database.ts'

type Rejects = Pick<Storage, 'rejects' | 'writeRejects' | 'deleteRejects'>

export function createRejects({ all, run, attempt, fenced }: Database): Rejects {
  return {
    rejects: (source, { limit, after }) =>
      attempt(() => {
        const rows = all(
          `select id, source, run_id, reason, path, raw, event_id, first_seen_at, last_seen_at, count, token from rejects
           where source = ? and (last_seen_at, id) < (?, ?) order by last_seen_at desc, id desc limit ?`,
          source,
          after?.[0] ?? '~',
          after?.[1] ?? '~',
          limit + 1
        )
        return toPage(rows as unknown as KeptReject[], limit, (last) => [last.last_seen_at, last.id])
      }),

    writeRejects: (opened, rejects, most) =>
      fenced(opened, () => {
        const now = opened.lease.now().toISOString()
        for (const reject of rejects) {
          run(
            `insert into rejects values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, ?9)
             on conflict (id) do update set path = ?5, last_seen_at = ?8, count = count + (run_id <> ?3), run_id = ?3, token = ?9`,
            rejectId(opened.source, reject),
            opened.source,
            opened.id,
            reject.reason,
            reject.path,
            reject.raw,
            reject.event_id,
            now,
            opened.lease.token
          )
        }
        run(
          `delete from rejects where source = ?1 and (last_seen_at, id) <
           (select last_seen_at, id from rejects where source = ?1 order by last_seen_at desc, id desc limit 1 offset ?2)`,
          opened.source,
          most - 1
        )
      }),

    deleteRejects: (opened, ids) =>
      fenced(opened, () => {
        for (const id of ids) run('delete from rejects where id = ? and source = ?', id, opened.source)
      })
  }
}
