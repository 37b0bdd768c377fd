import type { Filter } from 'mongodb'
import type { PageRequest } from '../kit/contract.ts'
import { type EventFilters, instantLimit } from '../kit/filters.ts'
import type { EventDocument } from './documents.ts'

/** The filter of a page of events, to be sorted by `starts_at` and `_id`: one range of `events_by_start`. */
export function toFilter(filters: EventFilters, after: PageRequest['after']): Filter<EventDocument> {
  const { match, from, to } = filters
  const terms: Filter<EventDocument>[] = [
    // Said of both, the server merges two ranges in order where it would sort one.
    { ever_online: filters.everOnline || filters.sellMode === 'online' ? true : { $in: [true, false] } }
  ]
  if (after !== undefined) {
    const [starts_at, id] = after as [string, string]
    terms.push({ starts_at: { $gte: starts_at } })
    terms.push({ $or: [{ starts_at: { $gt: starts_at } }, { starts_at, _id: { $gt: id } }] })
  }
  if (from !== undefined && match !== 'overlaps') {
    terms.push({ starts_at: { $gte: instantLimit(from, 'from') } })
    if (from.clock === 'local') terms.push({ start_date: { $gte: from.at } })
  }
  if (from !== undefined && match === 'overlaps') {
    terms.push({ [from.clock === 'local' ? 'local_end' : 'end']: { $gte: from.at } })
  }
  if (to !== undefined) {
    terms.push({ starts_at: { $lte: instantLimit(to, 'to') } })
    if (match === 'within') terms.push({ [to.clock === 'local' ? 'local_end' : 'end']: { $lte: to.at } })
    else if (to.clock === 'local') terms.push({ start_date: { $lte: to.at } })
  }
  if (filters.sellMode !== undefined) terms.push({ sell_mode: filters.sellMode })
  if (filters.source !== undefined) terms.push({ source: filters.source })
  return { $and: terms }
}
