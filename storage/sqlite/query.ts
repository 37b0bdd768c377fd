import type { Position } from '../kit/contract.ts'
import { type Bound, type EventFilters, type EventQuery, MOST_HOURS_FROM_UTC, type SortKey } from '../kit/filters.ts'
import type { SqlValue } from './database.ts'
import { toBlob } from './ids.ts'
import { toSeconds } from './time.ts'

export interface Sql {
  sql: string
  values: SqlValue[]
}

export const SORTS: Record<SortKey, { column: string; index: string }> = {
  start: { column: 'starts', index: 'events_by_start' },
  end: { column: 'ends', index: 'events_by_end' },
  title: { column: 'title_key', index: 'events_by_title' },
  updated: { column: 'updated', index: 'events_by_updated' },
  min_price: { column: 'min_price', index: 'events_by_price' }
}

/** A value of a sort column, and an id. */
export type Key = [value: SqlValue, id: Uint8Array]

export function toKey(by: SortKey, [value, id]: Position): Key {
  const key = by === 'title' ? value! : Number(value)
  return [key, toBlob(id!)]
}

export function toPosition(value: SqlValue, id: string): Position {
  return [String(value), id]
}

/** How far wall clocks of events are ahead of UTC, in seconds: what `MOST_HOURS_FROM_UTC` is at most. */
export interface Ahead {
  most: number
  least: number
}

export const FURTHEST: Ahead = { most: MOST_HOURS_FROM_UTC * 3600, least: -MOST_HOURS_FROM_UTC * 3600 }

/** An end on the wall clock is not before its start, but where the clock skips an hour the instants can be. */
export const SKIPPED = 3 * 3600
export const LONG = 7 * 86_400

export interface Range {
  low?: SqlValue
  high?: SqlValue
}

/** What the values of the sort column are at least and at most, of all events that match. */
export function keyRange({ filters, sort: { by } }: EventQuery, ahead: Ahead): Range {
  const { match, from, to, updatedSince, zone } = filters
  const earliest = from && toSeconds(from.at) - (from.clock === 'local' ? ahead.most : 0)
  const latest = to && toSeconds(to.at) - (to.clock === 'local' ? ahead.least : 0)
  const range: Range = {}
  if (by === 'start') {
    if (earliest !== undefined && match !== 'overlaps') range.low = earliest
    if (latest !== undefined) range.high = latest + (match === 'within' ? SKIPPED : 0)
  } else if (by === 'end') {
    if (earliest !== undefined) range.low = earliest - (match === 'overlaps' ? 0 : SKIPPED)
    if (latest !== undefined && match === 'within') range.high = latest
  } else if (by === 'updated') {
    if (updatedSince !== undefined) range.low = Date.parse(updatedSince)
  } else if (by === 'min_price' && zone?.maxPrice !== undefined) range.high = zone.maxPrice
  return range
}

/**
 * Conditions on the columns of a state that all hold of what matches; of one and the same zone see `zoneTest`. The `+`
 * keeps a sort column from being the end of the range that is looked at: that is where a step ends.
 */
export function conditions(filters: EventFilters): { terms: string[]; values: SqlValue[] } {
  const terms: string[] = []
  const values: SqlValue[] = []
  const add = (term: string, ...params: SqlValue[]) => {
    terms.push(term)
    values.push(...params)
  }
  const { match, from, to, zone, available } = filters
  const compare = (bound: Bound, column: 'start' | 'end', operator: '>=' | '<=') =>
    add(`+${bound.clock === 'local' ? `local_${column}` : `${column}s`} ${operator} ?`, toSeconds(bound.at))
  if (from !== undefined) compare(from, match === 'overlaps' ? 'end' : 'start', '>=')
  if (to !== undefined) compare(to, match === 'within' ? 'end' : 'start', '<=')
  if (filters.everOnline) add('ever_online = 1')
  if (filters.sellMode !== undefined) add('online = ?', filters.sellMode === 'online' ? 1 : 0)
  if (filters.sources?.length === 1) add('source = (select no from sources where name = ?)', filters.sources[0]!)
  else if (filters.sources !== undefined) {
    add(`source in (select no from sources where name in ${LIST})`, JSON.stringify(filters.sources))
  }
  if (filters.organizers !== undefined) add(`organizer in ${LIST}`, JSON.stringify(filters.organizers))
  const statuses = new Set(filters.statuses)
  if (statuses.size === 1) add('listed = ?', statuses.has('listed') ? 1 : 0)
  if (filters.soldOut !== undefined) add('sold_out = ?', filters.soldOut ? 1 : 0)
  if (filters.updatedSince !== undefined) add('+updated >= ?', Date.parse(filters.updatedSince))
  if (zone?.minPrice !== undefined) add('max_price >= ?', zone.minPrice)
  if (zone?.maxPrice !== undefined) add('+min_price <= ?', zone.maxPrice)
  if (zone?.minCapacity !== undefined) add('max_capacity >= ?', zone.minCapacity)
  if (available !== undefined) {
    const at = toSeconds(available.at)
    add(`${available.is ? '' : 'not '}(${AVAILABLE})`, at, at)
  }
  filters.words?.forEach((word, i, { length }) => {
    add('instr(words, ?) > 0', i === length - 1 ? ` ${word}` : ` ${word} `)
  })
  // Not in the indexes that are walked: last, so that the row is read only where all others hold.
  if (filters.baseEvents !== undefined) add(`base_event in ${LIST}`, JSON.stringify(filters.baseEvents))
  return { terms, values }
}

const LIST = '(select value from json_each(?))'
const AVAILABLE = `sold_out = 0 and coalesce(max_capacity, 0) > 0
  and (sale_from is null or sale_from <= ?) and (sale_to is null or sale_to >= ?)`

/** Rows of a table, in the order of two columns or of the one that numbers them. */
export interface Segment {
  table: 'events' | 'versions'
  /** null: all rows of the table. */
  index: string | null
  keys: string[]
  descending: boolean
  range: Range
  terms: string[]
  values: SqlValue[]
  /** Whether that is the order of the answer. */
  isOrdered: boolean
  /** Whether it is so few that one look at all of them is short. */
  isSmall: boolean
}

/** From where on, and up to where; both in the order in which it is walked. */
export interface Stretch {
  after?: SqlValue[] | undefined
  until?: SqlValue[] | undefined
}

/** The keys of the entry that stands so far behind: whatever is asked in between looks at no more than these. */
export function selectBoundary(segment: Segment, after: SqlValue[] | undefined, entries: number): Sql {
  const { from, terms, values, order } = stretch(segment, { after })
  const sql = `select ${segment.keys.join(', ')} from ${from}${where(terms)} order by ${order} limit 1 offset ? + 0`
  return { sql, values: [...values, entries - 1] }
}

/** @param by the column that the answer is sorted by */
export function selectRows(segment: Segment, between: Stretch, by: string, limit: number): Sql {
  const { from, terms, values, order } = stretch(segment, between)
  const columns = `${by} as sort_key, id, ${segment.keys[0]} as walk_key, json`
  return {
    // `+ 0`, because SQLite prepares a statement again for every value of a parameter that stands alone as the limit.
    sql: `select ${columns} from ${from}${where([...terms, ...segment.terms])} order by ${order} limit ? + 0`,
    values: [...values, ...segment.values, limit]
  }
}

export function selectCount(segment: Segment, between: Stretch, limit: number): Sql {
  const { from, terms, values } = stretch(segment, between)
  return {
    sql: `select count(*) as n from (select 1 from ${from}${where([...terms, ...segment.terms])} limit ? + 0)`,
    values: [...values, ...segment.values, limit]
  }
}

function where(terms: string[]): string {
  return terms.length === 0 ? '' : ` where ${terms.join(' and ')}`
}

function stretch({ table, index, keys, descending, range }: Segment, { after, until }: Stretch) {
  const [first, last] = descending ? [range.high, range.low] : [range.low, range.high]
  const [onward, back] = descending ? ['<', '>'] : ['>', '<']
  const tuple = `(${keys.join(', ')})`
  const params = `(${keys.map(() => '?').join(', ')})`
  // One bound at each end, so that there is no choice by which of two the range begins.
  const isLater = after !== undefined && (first === undefined || !isBefore(after[0]!, first, descending))
  const terms: string[] = []
  const values: SqlValue[] = []
  if (isLater) {
    terms.push(`${tuple} ${onward} ${params}`)
    values.push(...after)
  } else if (first !== undefined) {
    terms.push(`${keys[0]} ${onward}= ?`)
    values.push(first)
  }
  if (until !== undefined) {
    terms.push(`${tuple} ${back}= ${params}`)
    values.push(...until)
  } else if (last !== undefined) {
    terms.push(`${keys[0]} ${back}= ?`)
    values.push(last)
  }
  // What a partial index is chosen by.
  if (index === 'events_long') terms.push(IS_LONG)
  const direction = descending ? ' desc' : ''
  return {
    from: index === null ? `${table} not indexed` : `${table} indexed by ${index}`,
    terms,
    values,
    order: keys.map((key) => key + direction).join(', ')
  }
}

const IS_LONG = `ends - starts > ${LONG}`

function isBefore(a: SqlValue, b: SqlValue, descending: boolean): boolean {
  return descending ? a! > b! : a! < b!
}
