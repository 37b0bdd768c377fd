import { clockFrom } from '../kit/clock.ts'
import type { LeaseState, Storage } from '../kit/contract.ts'
import { MOST_AHEAD_MS } from '../kit/leases.ts'
import { type Database, NOW_MS } from './database.ts'

type Leases = Pick<Storage, 'takeLease' | 'renewLease' | 'releaseLease'>

export function createLeases({ get, run, attempt, transaction }: Database): Leases {
  return {
    takeLease: (name, holder, ms, occasion) =>
      transaction(() => {
        const row = get(
          `insert into leases (name, holder, token, expires, taken_at, attended_at, unfinished)
             values (?1, ?2, 1, ${NOW_MS} + ?3, ${NOW_MS}, iif(?4, ${NOW_MS}, null), ?4)
           on conflict (name) do update set
             holder = ?2, token = token + 1, expires = ${NOW_MS} + ?3, taken_at = ${NOW_MS},
             attended_at = iif(?4, ${NOW_MS}, attended_at), unfinished = max(unfinished, ?4),
             vanished = iif(holder is null, vanished, vanished + 1)
           where (holder is null or expires <= ${NOW_MS} or expires > ${NOW_MS} + ${MOST_AHEAD_MS})
             and (?5 is null or attended_at is null or attended_at < ?5 or attended_at > ${NOW_MS} + ${MOST_AHEAD_MS})
             and (?6 = 0 or unfinished)
           returning token, taken_at`,
          name,
          holder,
          ms,
          occasion === undefined ? 0 : 1,
          occasion !== undefined && 'since' in occasion ? occasion.since : null,
          occasion !== undefined && 'abandoned' in occasion ? 1 : 0
        )
        if (row === undefined) return null
        const isForOccasion = occasion !== undefined
        return { name, holder, token: row.token as number, isForOccasion, now: clockFrom(row.taken_at as number) }
      }),
    renewLease: ({ name, holder, token }, ms) =>
      attempt(() => {
        const result = run(
          `update leases set expires = ${NOW_MS} + ? where name = ? and holder = ? and token = ? and expires > ${NOW_MS}`,
          ms,
          name,
          holder,
          token
        )
        return result.changes === 1
      }),
    releaseLease: ({ name, holder, token, isForOccasion }, isDone = true) =>
      attempt(() => {
        // Whoever has had it for no occasion leaves that of another one as it is.
        run(
          `update leases set holder = null${isDone && isForOccasion ? ', unfinished = 0, vanished = 0' : ''}
           where name = ? and holder = ? and token = ?`,
          name,
          holder,
          token
        )
      })
  }
}

export function leaseStates({ all }: Database): LeaseState[] {
  return all('select * from leases order by name').map(
    (row) => ({ ...row, unfinished: row.unfinished === 1 }) as unknown as LeaseState
  )
}
