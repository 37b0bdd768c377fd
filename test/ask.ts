import type { EventFilters, EventQuery } from '../storage/kit/filters.ts'

/** A query for events by start; without filters: for all of them. */
export function ask(filters: Partial<EventFilters> = {}): EventQuery {
  return { filters: { match: 'within', ...filters }, sort: { by: 'start', descending: false } }
}
