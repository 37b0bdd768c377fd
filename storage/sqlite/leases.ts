import type { Storage } from '../kit/contract.ts'
import type { Database } from './database.ts'

/** SQLite's own clock, in milliseconds: every process on the file sees the same one. */
const NOW_MS = "cast(unixepoch('subsec') * 1000 as integer)"

type Leases = Pick<Storage, 'takeLease' | 'renewLease' | 'releaseLease'>

export function createLeases({ get, run, attempt, transaction }: Database): Leases {
  return {
    takeLease: (name, holder, ms) =>
      transaction(() => {
        const row = get(
          `insert into leases values (?1, ?2, 1, ${NOW_MS} + ?3)
           on conflict (name) do update set holder = ?2, token = token + 1, expires = ${NOW_MS} + ?3
           where holder is null or expires <= ${NOW_MS} returning token`,
          name,
          holder,
          ms
        )
        return row === undefined ? null : { name, holder, token: row.token as number }
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
    releaseLease: ({ name, holder, token }) =>
      attempt(() => {
        run('update leases set holder = null where name = ? and holder = ? and token = ?', name, holder, token)
      })
  }
}
