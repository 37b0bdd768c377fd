import type { Filter } from 'mongodb'
import type { Position } from '../kit/contract.ts'
import type { Event } from '../kit/event.ts'
import {
  type Availability,
  type Bound,
  type EventFilters,
  type EventQuery,
  type EventSort,
  instantLimit,
  type SortKey,
  type ZoneFilter
} from '../kit/filters.ts'
import { type EventDocument, fromDocument, INTERNAL } from './documents.ts'

type Term = Filter<EventDocument>

/** By what each sort goes, before the id; the index that has it in this order. */
export const ORDERS = {
  start: { field: 'starts_at', index: 'events_by_starts_at' },
  end: { field: 'end', index: 'events_by_end' },
  title: { field: 'title_key', index: 'events_by_title' },
  updated: { field: 'updated_at', index: 'events_by_updated' },
  min_price: { field: 'price', index: 'events_by_price' }
} as const satisfies Record<SortKey, { field: keyof EventDocument; index: string }>

/** What `find` and `count` are asked with, or just the same of former states. */
export function toFilter({ filters, sort }: EventQuery, after?: Position): Filter<EventDocument> {
  const { everOnline, sellMode, sources, baseEvents, organizers, statuses, words, soldOut, updatedSince } = filters
  const terms: Term[] = [
    // Said of both, the server merges two ranges in order where it would sort one.
    { ever_online: everOnline || sellMode === 'online' ? true : { $in: [true, false] } },
    ...(after ? toTermsAfter(sort, after) : []),
    ...toTimes(filters),
    ...(words ? toWordTerms(words) : []),
    ...(filters.zone ? toZoneTerms(filters.zone) : []),
    ...(filters.available ? [toAvailable(filters.available)] : [])
  ]
  if (sellMode !== undefined) terms.push({ sell_mode: sellMode })
  if (sources !== undefined) terms.push({ source: { $in: sources } })
  if (baseEvents !== undefined) terms.push({ base_event_id: { $in: baseEvents } })
  if (organizers !== undefined) terms.push({ organizer_company_id: { $in: organizers } })
  if (statuses !== undefined) terms.push({ status: { $in: statuses } })
  if (soldOut !== undefined) terms.push({ sold_out: soldOut })
  if (updatedSince !== undefined) terms.push({ updated_at: { $gte: updatedSince } })
  return { $and: terms }
}

export function toSort({ by, descending }: EventSort): Record<string, 1 | -1> {
  const direction = descending ? -1 : 1
  return { [ORDERS[by].field]: direction, _id: direction }
}

/** The index to go by; undefined where it depends on how many events have the words: the server finds out. */
export function toHint({ filters, sort }: EventQuery): string | undefined {
  if (filters.words !== undefined && filters.words.length > 0) return undefined
  return filters.baseEvents === undefined ? ORDERS[sort.by].index : 'events_by_base'
}

const PROJECTIONS = new Map(
  Object.values(ORDERS).map(({ field }) => [
    field as string,
    Object.fromEntries(Object.entries(INTERNAL).filter(([key]) => key !== field))
  ])
)

/** What a page is read with: what is shown, and what it is sorted by. */
export function toProjection({ by }: EventSort): Partial<typeof INTERNAL> {
  return PROJECTIONS.get(ORDERS[by].field)!
}

export function toPosition({ by }: EventSort, last: EventDocument): Position {
  return [String(last[ORDERS[by].field]), last._id]
}

/** @param document read with `toProjection` */
export function toShown({ by }: EventSort, document: EventDocument): Event {
  const { field } = ORDERS[by]
  if (!(field in INTERNAL)) return fromDocument(document)
  const { [field]: _sorted, ...shown } = document
  return fromDocument(shown as EventDocument)
}

function toTermsAfter({ by, descending }: EventSort, after: Position): Term[] {
  const [text, id] = after as [string, string]
  const { field } = ORDERS[by]
  const value = by === 'min_price' ? Number(text) : text
  const beyond = descending ? '$lt' : '$gt'
  return [
    // What bounds the range; the other is between those of one value.
    { [field]: { [`${beyond}e`]: value } },
    { $or: [{ [field]: { [beyond]: value } }, { [field]: value, _id: { [beyond]: id } }] }
  ]
}

const STARTS = { utc: 'starts_at', local: 'start_date' } as const
const ENDS = { utc: 'end', local: 'local_end' } as const

function toTimes({ match, from, to }: EventFilters): Term[] {
  return [
    ...(from ? atLeast(match === 'overlaps' ? ENDS : STARTS, from) : []),
    ...(to ? atMost(match === 'within' ? ENDS : STARTS, to) : []),
    // It starts before it ends, but for an hour that its clocks may have skipped; this bounds the range.
    ...(to && match === 'within' ? [{ starts_at: { $lte: dayAfter(instantLimit(to, 'to')) } }] : [])
  ]
}

function atLeast(fields: typeof STARTS | typeof ENDS, bound: Bound): Term[] {
  const limit = { [fields.utc]: { $gte: instantLimit(bound, 'from') } }
  return bound.clock === 'utc' ? [limit] : [limit, { [fields.local]: { $gte: bound.at } }]
}

function atMost(fields: typeof STARTS | typeof ENDS, bound: Bound): Term[] {
  const limit = { [fields.utc]: { $lte: instantLimit(bound, 'to') } }
  return bound.clock === 'utc' ? [limit] : [limit, { [fields.local]: { $lte: bound.at } }]
}

function dayAfter(instant: string): string {
  const after = new Date(Date.parse(instant) + 86_400_000)
  return after.getUTCFullYear() > 9999 ? '9999-12-31T23:59:59Z' : `${after.toISOString().slice(0, 19)}Z`
}

function toWordTerms(words: string[]): Term[] {
  return words.map((word, i) => ({ words: i < words.length - 1 ? word : { $regex: `^${literally(word)}` } }))
}

function toZoneTerms({ minPrice, maxPrice, minCapacity, numbered, name }: ZoneFilter): Term[] {
  const price = {
    ...(minPrice !== undefined && { $gte: minPrice }),
    ...(maxPrice !== undefined && { $lte: maxPrice })
  }
  const zone = {
    ...(Object.keys(price).length > 0 && { price }),
    ...(minCapacity !== undefined && { capacity: { $gte: minCapacity } }),
    ...(numbered !== undefined && { numbered }),
    ...(name !== undefined && { folded: { $regex: literally(name) } })
  }
  if (Object.keys(zone).length === 0) return [{ zones: { $ne: [] } }]
  return [
    { zones: { $elemMatch: zone } },
    // What an index tells of the event as a whole, so that few are read that have no such zone.
    ...(minPrice === undefined ? [] : [{ highest_price: { $gte: minPrice } }]),
    ...(maxPrice === undefined ? [] : [{ lowest_price: { $lte: maxPrice } }]),
    ...(minCapacity === undefined ? [] : [{ max_capacity: { $gte: minCapacity } }])
  ]
}

function toAvailable({ is, at }: Availability): Term {
  const available: Term = {
    sold_out: false,
    max_capacity: { $gt: 0 },
    sale_from: { $lte: at },
    sale_to: { $gte: at }
  }
  return is ? available : { $nor: [available] }
}

/** For a regular expression: what it says of itself. */
function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/#-]/g, '\\$&').replaceAll('\0', '\\x00')
}
