import type { EventQuery } from '../kit/filters.ts'
import type { SqlValue } from './database.ts'
import { type Ahead, conditions, type Key, keyRange, LONG, type Segment, SORTS } from './query.ts'

export interface Circumstances {
  ahead: Ahead
  /** Whether the indexes for readers are built. */
  isIndexed: boolean
  /** As JSON, the numbers of the few events that can match; null: there may be many. */
  candidates: string | null
  /** Where the answer begins. */
  after: Key | undefined
}

/** What of `events` is to be walked through, one after the other, for what matches the query. */
export function planEvents(query: EventQuery, { ahead, isIndexed, candidates, after }: Circumstances): Segment[] {
  const { column, index } = SORTS[query.sort.by]
  const { terms, values } = conditions(query.filters)
  if (query.asOf !== undefined) {
    terms.push('+updated <= ?')
    values.push(Date.parse(query.asOf))
  }
  const { descending } = query.sort
  const range = keyRange(query, ahead)
  const ordered = { table: 'events', keys: [column, 'id'], descending, terms, values, isOrdered: true } as const
  if (candidates !== null) {
    return [
      {
        ...ordered,
        index: null,
        keys: [...ordered.keys],
        range: {},
        terms: ['seq in (select value from json_each(?))', ...terms],
        values: [candidates, ...values],
        isSmall: true
      }
    ]
  }
  if (!isIndexed) {
    const cursor = afterTerm(query, after)
    return [
      {
        table: 'events',
        index: null,
        keys: ['seq'],
        descending: false,
        range: {},
        terms: [...terms, ...cursor.terms],
        values: [...values, ...cursor.values],
        isOrdered: false,
        isSmall: false
      }
    ]
  }
  const whole: Segment = { ...ordered, keys: [...ordered.keys], index, range, isSmall: false }
  const { match, from } = query.filters
  if (query.sort.by !== 'start' || match !== 'overlaps' || from === undefined) return [whole]
  // What is not long and began so long before is over: of that, only the long ones have to be looked at.
  const low = (keyRange({ ...query, sort: { by: 'end', descending } }, ahead).low as number) - LONG
  const high = range.high as number | undefined
  const recent = { ...whole, range: { ...range, low } }
  const long = { ...whole, index: 'events_long', range: { high: Math.min(low - 1, high ?? Infinity) } }
  return descending ? [recent, long] : [long, recent]
}

/** The same of `versions`, for how events were at a time. */
export function planVersions(query: EventQuery, asOf: number, { ahead, after }: Circumstances): Segment[] {
  const { terms, values } = conditions(query.filters)
  const isOrdered = query.sort.by === 'start'
  const descending = isOrdered && query.sort.descending
  const cursor = isOrdered ? { terms: [], values: [] } : afterTerm(query, after)
  return [
    {
      table: 'versions',
      index: 'versions_by_start',
      keys: ['starts', 'id'],
      descending,
      range: keyRange({ ...query, sort: { by: 'start', descending } }, ahead),
      terms: ['+updated <= ?', '+replaced > ?', ...terms, ...cursor.terms],
      values: [asOf, asOf, ...values, ...cursor.values],
      isOrdered,
      isSmall: false
    }
  ]
}

function afterTerm({ sort }: EventQuery, after: Key | undefined): { terms: string[]; values: SqlValue[] } {
  if (after === undefined) return { terms: [], values: [] }
  const { column } = SORTS[sort.by]
  return { terms: [`(${column}, id) ${sort.descending ? '<' : '>'} (?, ?)`], values: [...after] }
}
