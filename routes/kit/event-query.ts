import { toTimezone } from '../../adapters/kit/dates.ts'
import { invalidParameter } from '../../plugins/errors/problem.ts'
import type { Event } from '../../storage/kit/event.ts'
import type { EventFilters, EventQuery, SortKey, ZoneFilter } from '../../storage/kit/filters.ts'
import { fold, toWords } from '../../storage/kit/words.ts'
import { type Moment, parseBound, parseTime, refuseReversed, TIME_FORMS } from './bounds.ts'
import { type FilterQuery, MOST_VALUES } from './query-schema.ts'

const MOST_WORDS = 20
/** As far as the storage's clock may be ahead of this machine's. */
const CLOCKS_APART_MS = 5000
const TIMEZONES = 'an IANA time zone, as Europe/Madrid'

/**
 * What a query means, with keys in one order whatever that of its parameters.
 * @param now milliseconds since 1970: what "now" and "today" are understood by
 */
export function toEventQuery(query: FilterQuery, now: number): EventQuery {
  const { sort, as_of } = query
  // In one spelling: what is known of a zone is kept by its name.
  const tz = query.tz === undefined ? null : (toTimezone(query.tz) ?? refuse('tz', query.tz, TIMEZONES))
  const moment = { now, tz }
  const asOf = as_of === undefined ? undefined : pastTime(as_of, moment)
  const descending = sort.startsWith('-')
  return {
    filters: toFilters(query, moment, asOf),
    sort: { by: (descending ? sort.slice(1) : sort) as SortKey, descending },
    ...(asOf !== undefined && { asOf })
  }
}

/** @returns UTC with milliseconds */
export function parseAsOf(query: Pick<FilterQuery, 'as_of'>, now: number): string | undefined {
  return query.as_of === undefined ? undefined : pastTime(query.as_of, { now, tz: null })
}

/** Whether it may mean something else a second later. */
export function dependsOnNow(query: Partial<FilterQuery>): boolean {
  if (query.available !== undefined) return true
  return [query.start_date, query.end_date, query.updated_since, query.as_of].some((text) => text && !/^\d/.test(text))
}

function toFilters(query: FilterQuery, moment: Moment, asOf: string | undefined): EventFilters {
  const { match, sell_mode: sellMode, q, sold_out, updated_since, available } = query
  const from = query.start_date === undefined ? undefined : parseBound('start_date', query.start_date, 'from', moment)
  const to = query.end_date === undefined ? undefined : parseBound('end_date', query.end_date, 'to', moment)
  refuseReversed(from, to)
  const zone = toZoneFilter(query)
  const at = asOf ?? new Date(moment.now).toISOString()
  // Only what is given: most queries have little, and these are asked for all the time.
  const filters: EventFilters = { match }
  if (from !== undefined) filters.from = from
  if (to !== undefined) filters.to = to
  if (sellMode === undefined) filters.everOnline = true
  else if (sellMode !== 'any') filters.sellMode = sellMode
  if (query.source !== undefined) filters.sources = values('source', query.source)
  if (query.base_event_id !== undefined) filters.baseEvents = values('base_event_id', query.base_event_id)
  if (query.organizer_company_id !== undefined) {
    filters.organizers = values('organizer_company_id', query.organizer_company_id)
  }
  if (query.status !== undefined) filters.statuses = values('status', query.status) as Event['status'][]
  if (q !== undefined) filters.words = words(q)
  if (sold_out !== undefined) filters.soldOut = sold_out
  if (updated_since !== undefined) filters.updatedSince = time('updated_since', updated_since, moment)
  if (zone !== undefined) filters.zone = zone
  if (available !== undefined) filters.available = { is: available, at: `${at.slice(0, 19)}Z` }
  return filters
}

function toZoneFilter(query: FilterQuery): ZoneFilter | undefined {
  const { min_price, max_price, free, min_capacity, numbered, zone, available } = query
  const filter: ZoneFilter = {}
  if (min_price !== undefined) filter.minPrice = min_price
  if (max_price !== undefined) filter.maxPrice = max_price
  if (min_capacity !== undefined) filter.minCapacity = min_capacity
  if (numbered !== undefined) filter.numbered = numbered
  if (zone !== undefined) filter.name = fold(zone) || refuse('zone', zone, 'a part of a name')
  if (free === true) filter.maxPrice = 0
  // The least number above 0.
  if (free === false) filter.minPrice = Math.max(filter.minPrice ?? 0, Number.MIN_VALUE)
  const { minPrice = 0, maxPrice = Number.POSITIVE_INFINITY } = filter
  if (minPrice > maxPrice) {
    const parameter = max_price === undefined || free === true ? 'free' : 'max_price'
    throw invalidParameter(parameter, `No price is at least ${minPrice} and at most ${maxPrice}.`, 'prices that can be')
  }
  if (Object.keys(filter).length === 0) return undefined
  // What is to be bought is that zone.
  if (available === true) filter.minCapacity = Math.max(filter.minCapacity ?? 0, 1)
  return filter
}

/** In one order, each once: what is asked is the same. */
function values(parameter: string, text: string): string[] {
  const list = text.split(',')
  if (list.includes('') || list.length > MOST_VALUES) {
    refuse(parameter, text, `values with commas between them, none of them empty, at most ${MOST_VALUES}`)
  }
  return [...new Set(list)].sort()
}

function words(q: string): string[] {
  const found = toWords(q)
  // The last one is found as the beginning of a word, so it stays the last; of the others the order says nothing.
  if (found.length === 0 || found.length > MOST_WORDS) refuse('q', q, `1 to ${MOST_WORDS} words of letters or digits`)
  return [...found.slice(0, -1).sort(), found.at(-1)!]
}

function time(parameter: string, text: string, moment: Moment): string {
  return parseTime(text, moment) ?? refuse(parameter, text, TIME_FORMS)
}

/** Of a time to come nobody knows how events will be. */
function pastTime(text: string, moment: Moment): string {
  const at = time('as_of', text, moment)
  return Date.parse(at) > Date.now() + CLOCKS_APART_MS
    ? refuse('as_of', text, `a time that is over: ${TIME_FORMS}`)
    : at
}

function refuse(parameter: string, value: string, allowed: string): never {
  throw invalidParameter(parameter, `${parameter} cannot be ${JSON.stringify(value.slice(0, 100))}.`, allowed)
}
