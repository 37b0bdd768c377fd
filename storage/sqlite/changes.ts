import type { EventVersion, Position, Storage } from '../kit/contract.ts'
import { changesForgotten } from '../kit/errors.ts'
import type { Event } from '../kit/event.ts'
import { toPage } from '../kit/page.ts'
import type { Database, Row } from './database.ts'
import { toBlob } from './ids.ts'

type Changes = Pick<Storage, 'versions' | 'changes' | 'lastChange'>

/** How events changed: each state has the number of the change that made it, and stays in `versions` when it is replaced. */
export function createChanges({ get, all, attempt }: Database): Changes {
  const revision = () => get("select value from meta where key = 'revision'")!.value as number

  function before({ event, version }: Row): Event | null {
    const row = get(
      'select json from versions where event = ? and version = ?',
      event as number,
      (version as number) - 1
    )
    return row === undefined ? null : (JSON.parse(row.json as string) as Event)
  }

  /** The number of the first change at or after the time: later ones have later times. */
  function firstSince(time: number): number {
    let [low, high] = [1, revision() + 1]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const next = get(`${select('change, updated', 'change >= ?1', 'change')} limit 1`, middle)
      if (next === undefined || (next.updated as number) >= time) high = middle
      else low = (next.change as number) + 1
    }
    return low
  }

  return {
    versions: (id, { limit, after }) =>
      attempt(() => {
        const event = get('select seq from events where id = ?', toBlob(id))
        if (event === undefined) return { items: [], next: null }
        const last = after === undefined ? Number.MAX_SAFE_INTEGER : Number(after[0])
        const rows = all(VERSIONS, event.seq as number, last, limit + 1)
        const { items, next } = toPage(rows, limit, (row) => [String(row.version)])
        return { items: items.map((row) => toVersion(row, before(row))), next }
      }),

    changes: (request) =>
      attempt(() => {
        const { limit } = request
        let after = 0
        if ('since' in request) after = firstSince(Date.parse(request.since)) - 1
        else if (request.after !== undefined) after = Number(request.after[0])
        const rows = all(CHANGES, after, limit + 1)
        // Afterwards: what is forgotten meanwhile may be lacking in them.
        const kept = get(KEPT) as unknown as Kept
        if (!('since' in request) && request.after !== undefined && after < kept.forgotten) {
          if (request.after[1] !== String(kept.since)) throw changesForgotten(new Date(kept.since).toISOString())
        }
        const items = rows
          .slice(0, limit)
          .map((row) => ({ ...toVersion(row, before(row)), position: toPosition(row.change as number, kept) }))
        return { items, next: items.at(-1)?.position ?? toPosition(after, kept), hasMore: rows.length > limit }
      }),

    lastChange: () =>
      attempt(() => {
        const kept = get(KEPT) as unknown as Kept
        return toPosition(revision(), kept)
      })
  }
}

/** From when on all changes are kept, and the number of the last one that was to be deleted. */
interface Kept {
  since: number
  forgotten: number
}

const KEPT = `select (select value from meta where key = 'history_since') as since,
  (select value from meta where key = 'last_forgotten') as forgotten`

/** With what was kept when it was given: changes that were deleted before then are not missed by who goes on from it. */
function toPosition(change: number, { since }: Kept): Position {
  return [String(change), String(since)]
}

const STATE = 'version, change, updated, run_id, json'
const select = (columns: string, where: string, order: string) =>
  `select ${columns} from events where ${where} union all select ${columns.replace('seq as ', '')} from versions
     where ${where.replace('seq', 'event')} order by ${order}`

const CHANGES = `${select(`seq as event, ${STATE}`, 'change > ?1', 'change')} limit ?2`
const VERSIONS = `${select(`seq as event, ${STATE}`, 'seq = ?1 and version < ?2', 'version desc')} limit ?3`

function toVersion({ updated, run_id, json }: Row, before: Event | null): EventVersion {
  return {
    at: new Date(updated as number).toISOString(),
    run_id: run_id as string | null,
    event: JSON.parse(json as string) as Event,
    before
  }
}
