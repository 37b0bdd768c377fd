import type { PageRequest } from '../kit/contract.ts'
import type { EventFilters, EventQuery } from '../kit/filters.ts'
import type { SqlValue } from './database.ts'
import { toBlob } from './ids.ts'
import { SKIPPED } from './query.ts'
import { toSeconds } from './time.ts'

/** Whether `selectPage` answers it. */
export function isCommon({ filters, sort, asOf }: EventQuery): boolean {
  return (
    sort.by === 'start' &&
    !sort.descending &&
    asOf === undefined &&
    filters.match !== 'overlaps' &&
    (filters.sources === undefined || filters.sources.length === 1) &&
    filters.baseEvents === undefined &&
    filters.organizers === undefined &&
    filters.statuses === undefined &&
    filters.words === undefined &&
    filters.soldOut === undefined &&
    filters.updatedSince === undefined &&
    filters.zone === undefined &&
    filters.available === undefined
  )
}

interface Texts {
  page: string
  /** null: it looks at all entries. */
  more: string | null
}

/** Those that there are, by what they ask for: to write one costs as much as a tenth of the answer. */
const texts = new Map<string, Texts>()
/** How many entries are looked at: so many that most pages are full, so few that it is never long. */
const ENTRIES = 500

/**
 * A page of events in the order of `events_pages`: `page` has one row, with the events joined by commas as `json`, as the
 * bytes that are sent (to make text of them takes twice as long as all the rest), and how many they are as `n`. Where they
 * are fewer than asked for, `more` has a row if not all entries were looked at.
 */
export function selectPage({ filters }: EventQuery, { limit, after }: PageRequest): Texts & { values: SqlValue[] } {
  const { match, from, to, everOnline, sellMode, sources } = filters
  const shape = `${match}${from?.clock}${to?.clock}${everOnline}${sellMode}${sources === undefined}${after === undefined}`
  let known = texts.get(shape)
  if (known === undefined) {
    known = writeTexts(filters, after !== undefined)
    texts.set(shape, known)
  }
  return {
    page: known.page,
    more: known.more,
    values: [
      from === undefined ? null : toSeconds(from.at),
      to === undefined ? null : toSeconds(to.at),
      after === undefined ? null : Number(after[0]),
      after === undefined ? null : toBlob(after[1]!),
      sources === undefined ? null : sources[0]!,
      limit,
      ENTRIES + limit
    ]
  }
}

function writeTexts({ match, from, to, everOnline, sellMode, sources }: EventFilters, isAfter: boolean): Texts {
  const range: string[] = []
  const terms: string[] = []
  if (isAfter) range.push('(starts, id) > (?3, ?4)')
  else if (from?.clock === 'utc') range.push('starts >= ?1')
  else if (from !== undefined) range.push(`starts >= ?1 - ${meta('most_ahead')}`)
  if (from?.clock === 'local') terms.push('local_start >= ?1')
  if (to !== undefined) {
    const column = match === 'within' ? 'end' : 'start'
    const skipped = match === 'within' ? ` + ${SKIPPED}` : ''
    range.push(`starts <= ?2${skipped}${to.clock === 'local' ? ` - ${meta('least_ahead')}` : ''}`)
    if (to.clock === 'local') terms.push(`local_${column} <= ?2`)
    else if (match === 'within') terms.push('ends <= ?2')
  }
  if (sellMode !== undefined) terms.push(`online = ${sellMode === 'online' ? 1 : 0}`)
  if (sources !== undefined) terms.push('source = (select no from sources where name = ?5)')
  const entries = (columns: string, conditions: string[]) => {
    const part = (value: number) =>
      `select ${columns} from events indexed by events_pages
         where ${[`ever_online = ${value}`, ...conditions].join(' and ')}`
    const parts = (everOnline || sellMode === 'online' ? [1] : [1, 0]).map(part)
    return `${parts.join(' union all ')} order by starts, id`
  }
  const page = (rows: string) => `select cast(group_concat(json) as blob) as json, count(*) as n from (${rows})`
  // The bounds of wall clocks leave out few, as the range keeps to the zones that events have. What else is asked can leave
  // out many: then there is a limit to what is looked at. No limit is a parameter alone: for every value of that SQLite
  // would prepare the statement again.
  if (sellMode === undefined && sources === undefined && (to === undefined || match === 'starts')) {
    return { page: page(`${entries('json, starts, id', [...range, ...terms])} limit min(?6, ?7)`), more: null }
  }
  const looked = entries('json, starts, id, ends, local_start, local_end, online, source', range)
  const where = terms.length === 0 ? '' : ` where ${terms.join(' and ')}`
  return {
    page: page(`select json from (${looked} limit ?7 + 0)${where} limit ?6 + 0`),
    more: `${entries('starts, id', range)} limit 1 offset ?7 + 0`
  }
}

function meta(key: string): string {
  return `(select value from meta where key = '${key}')`
}
