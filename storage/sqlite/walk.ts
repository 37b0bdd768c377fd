import { setImmediate as nextTurn } from 'node:timers/promises'
import { QueryTooSlow } from '../kit/errors.ts'
import { QUERY_DEADLINE_MS } from '../kit/filters.ts'
import type { Database, SqlValue } from './database.ts'
import { type Key, type Segment, type Sql, type Stretch, selectBoundary, selectCount, selectRows } from './query.ts'

export interface Found {
  sort_key: string | number
  id: Uint8Array
  json: string
}

/** What a query is answered by, within its time. */
export interface Walk {
  database: Database
  /** The column that the answer is sorted by. */
  column: string
  descending: boolean
  /** What no column says; left out: the columns say all. */
  test?: ((json: string) => boolean) | undefined
  /** `performance.now()` when it is to be answered. */
  deadline: number
}

export function newDeadline(): number {
  return performance.now() + QUERY_DEADLINE_MS
}

const ADVICE =
  'no index answers this query, and looking at every event takes too long: narrow the dates, or ask for a source, an ' +
  'organizer or a word that fewer events have'

/** How long the thread is kept from other work at a time. */
const STEP_MS = 3
const FIRST_ENTRIES = 250
const MOST_ENTRIES = 50_000
/** Rows that are read at a time, where most of them may be left out, or put in order. */
const ROWS = { tested: 50, unordered: 500 }

/** The first `limit` of what matches, in order, after the key. */
export async function collect(
  walk: Walk,
  segments: Segment[],
  after: Key | undefined,
  limit: number
): Promise<Found[]> {
  const { database, column, test } = walk
  const found: Found[] = []
  for (const segment of segments) {
    const { isOrdered } = segment
    await inSteps(walk, segment, isOrdered ? after : undefined, (between) => {
      const most = Math.min(test ? ROWS.tested : 1001, isOrdered ? limit - found.length : ROWS.unordered)
      const rows = all<Found & { walk_key: SqlValue }>(database, selectRows(segment, between, column, most))
      for (const row of rows) {
        if (test === undefined || test(row.json)) found.push(row)
      }
      if (isOrdered ? found.length === limit : false) return 'enough'
      if (!isOrdered && found.length > 2 * limit + ROWS.unordered) sortFound(found, walk).splice(limit)
      const last = rows.at(-1)
      if (rows.length < most || last === undefined) return 'all'
      return segment.keys.length === 1 ? [last.walk_key] : [last.walk_key, last.id]
    })
    if (isOrdered && found.length === limit) return found
  }
  return segments.every(({ isOrdered }) => isOrdered) ? found : sortFound(found, walk).slice(0, limit)
}

/** How many match, counted no further than `most`. */
export async function count(walk: Walk, segments: Segment[], most: number): Promise<number> {
  const { database, column, test } = walk
  let n = 0
  for (const segment of segments) {
    await inSteps(walk, segment, undefined, (between) => {
      if (test === undefined) {
        n += get<{ n: number }>(database, selectCount(segment, between, most - n))!.n
        return n === most ? 'enough' : 'all'
      }
      const rows = all<Found & { walk_key: SqlValue }>(database, selectRows(segment, between, column, ROWS.tested))
      for (const { json } of rows) if (n < most && test(json)) n++
      if (n === most) return 'enough'
      const last = rows.at(-1)
      if (rows.length < ROWS.tested || last === undefined) return 'all'
      return segment.keys.length === 1 ? [last.walk_key] : [last.walk_key, last.id]
    })
    if (n === most) break
  }
  return n
}

/** By the sort key, then by id. */
export function sortFound<T extends Found>(found: T[], { descending }: Pick<Walk, 'descending'>): T[] {
  const sign = descending ? -1 : 1
  return found.sort((a, b) => sign * (compareKeys(a.sort_key, b.sort_key) || Buffer.compare(a.id, b.id)))
}

/** Text as SQLite has it: in the order of its UTF-8 bytes. */
function compareKeys(a: string | number, b: string | number): number {
  if (typeof a === 'number') return a < (b as number) ? -1 : a > (b as number) ? 1 : 0
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b as string))
}

/**
 * @param look at what lies in between: says whether that was `all` of it, `enough` whatever follows, or up to which keys
 * it has looked
 */
async function inSteps(
  { database, deadline }: Walk,
  segment: Segment,
  after: SqlValue[] | undefined,
  look: (between: Stretch) => 'all' | 'enough' | SqlValue[]
): Promise<void> {
  let entries = FIRST_ENTRIES
  for (;;) {
    const started = performance.now()
    const boundary = segment.isSmall ? undefined : get<object>(database, selectBoundary(segment, after, entries))
    const until = boundary && (Object.values(boundary) as SqlValue[])
    const answer = look({ after, until })
    if (answer === 'enough' || (answer === 'all' && until === undefined)) return
    after = answer === 'all' ? until : answer
    const now = performance.now()
    if (now > deadline) throw new QueryTooSlow(ADVICE)
    const pace = Math.min(2, STEP_MS / (now - started))
    if (answer === 'all' || pace < 1) entries = Math.max(20, Math.min(MOST_ENTRIES, Math.floor(entries * pace)))
    await nextTurn()
  }
}

function get<T>(database: Database, { sql, values }: Sql): T | undefined {
  return database.get(sql, ...values) as T | undefined
}

function all<T>(database: Database, { sql, values }: Sql): T[] {
  return database.all(sql, ...values) as T[]
}
