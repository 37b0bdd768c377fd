import type { PageRequest } from '../kit/contract.ts'
import { type Bound, type EventFilters, MOST_HOURS_FROM_UTC } from '../kit/filters.ts'

export interface Query {
  sql: string
  values: (number | string | Buffer)[]
}

/**
 * A page of events in order of (starts, id): one row with `json` (the events joined by commas, as a blob) and `n`.
 * Events that were never online are a second range of the same index, merged in order by SQLite itself.
 */
export function selectEvents(filters: EventFilters, page: PageRequest): Query {
  const { terms, values } = where(filters, page.after)
  const ranges = filters.everOnline || filters.sellMode === 'online' ? [1] : [1, 0]
  const select = (everOnline: number) =>
    `select json, starts, id from events indexed by events_by_start where ${[`ever_online = ${everOnline}`, ...terms].join(' and ')}`
  const union = ranges.map(select).join(' union all ')
  return {
    // `+ 0`, because SQLite prepares a statement again for every value of a parameter that stands alone as the limit.
    sql: `select cast(group_concat(json) as blob) as json, count(*) as n from (${union} order by starts, id limit ? + 0)`,
    values: [...ranges.flatMap(() => values), page.limit]
  }
}

function where(filters: EventFilters, after: PageRequest['after']): { terms: string[]; values: Query['values'] } {
  const terms: string[] = []
  const values: Query['values'] = []
  const add = (term: string, ...params: Query['values']) => {
    terms.push(term)
    values.push(...params)
  }
  if (after !== undefined) {
    const [starts, id] = after as [string, string]
    add('(starts, id) > (?, ?)', toSeconds(starts), toBlob(id))
  }
  const { match, from, to } = filters
  if (from !== undefined && match !== 'overlaps') {
    // Where the cursor bounds the range, `+` keeps the planner from starting at this bound instead.
    add(`${after === undefined ? '' : '+'}starts >= ?`, boundSeconds(from) - slack(from))
    if (from.clock === 'local') add('local_start >= ?', boundSeconds(from))
  }
  if (from !== undefined && match === 'overlaps') {
    add(from.clock === 'local' ? 'local_end >= ?' : 'ends >= ?', boundSeconds(from))
  }
  if (to !== undefined) {
    add('starts <= ?', boundSeconds(to) + slack(to))
    const column = match === 'within' ? 'end' : 'start'
    if (to.clock === 'local') add(`local_${column} <= ?`, boundSeconds(to))
    else if (column === 'end') add('ends <= ?', boundSeconds(to))
  }
  if (filters.sellMode !== undefined) add('online = ?', filters.sellMode === 'online' ? 1 : 0)
  if (filters.source !== undefined) add('source = (select no from sources where name = ?)', filters.source)
  return { terms, values }
}

function boundSeconds(bound: Bound): number {
  return toSeconds(bound.at)
}

/** What `instantLimit` adds, in seconds. */
function slack(bound: Bound): number {
  return bound.clock === 'local' ? MOST_HOURS_FROM_UTC * 3600 : 0
}

/**
 * Sooner than `Date.parse` has it, and each event has four.
 * @param instant `YYYY-MM-DDTHH:MM:SS`, with or without a Z
 */
export function toSeconds(instant: string): number {
  const digits = (at: number) => (instant.charCodeAt(at) - 48) * 10 + instant.charCodeAt(at + 1) - 48
  const month = digits(5)
  // Of a year that begins in March, so that the leap day is its last.
  const year = digits(0) * 100 + digits(2) - (month < 3 ? 1 : 0)
  const dayOfYear = Math.floor((153 * (month + (month < 3 ? 9 : -3)) + 2) / 5) + digits(8) - 1
  const days = year * 365 + Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400) + dayOfYear - 719_468
  return days * 86_400 + digits(11) * 3600 + digits(14) * 60 + digits(17)
}

/** UUIDs are kept as their 16 bytes, which sort as their text does. */
export function toBlob(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}
