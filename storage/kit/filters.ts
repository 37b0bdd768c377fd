import type { Event } from './event.ts'

/** What is asked of the events. */
export interface EventQuery {
  filters: EventFilters
  sort: EventSort
  /**
   * UTC with milliseconds: the events as they were then, from their history. Of two states of one millisecond, the later
   * one. Left out: as they are.
   */
  asOf?: string
}

/**
 * By the value, then by id, both in the same direction. `start`: `starts_at`. `end`: `ends_at`, or `starts_at` where there is
 * none. `title`: `titleKey`. `updated`: `updated_at`. `min_price`: events without a price come after all others,
 * descending before them.
 */
export interface EventSort {
  by: SortKey
  descending: boolean
}

export const SORT_KEYS = ['start', 'end', 'title', 'updated', 'min_price'] as const
export type SortKey = (typeof SORT_KEYS)[number]

/** How long a storage may look for what no index finds. */
export const QUERY_DEADLINE_MS = 2000

/**
 * Database-neutral filters. A driver turns them into its own query in one pure function; only these types cross
 * into `storage/`, never text from a request.
 */
export interface EventFilters {
  /**
   * How an event must lie between the bounds, which are both inclusive and may each be left out:
   * `within`: starts at or after `from` and ends at or before `to`; `starts`: starts between them;
   * `overlaps`: ends at or after `from` and starts at or before `to`. An event with no end ends when it starts.
   */
  match: 'within' | 'starts' | 'overlaps'
  from?: Bound
  to?: Bound
  /** Events that are or ever were sold online. */
  everOnline?: true
  /** Today's value. */
  sellMode?: 'online' | 'offline'
  /** Each of these four: one of the values, of which there is at least one. */
  sources?: string[]
  baseEvents?: string[]
  organizers?: string[]
  statuses?: Event['status'][]
  /** Folded (`fold`): the title has them all, in any order, the last one at least as the beginning of a word. */
  words?: string[]
  soldOut?: boolean
  /** UTC with milliseconds: `updated_at` is at or after it. */
  updatedSince?: string
  zone?: ZoneFilter
  available?: Availability
}

/** What one and the same zone of the event must be, all of it. Of what is left out nothing is asked. */
export interface ZoneFilter {
  minPrice?: number
  maxPrice?: number
  minCapacity?: number
  numbered?: boolean
  /** Folded: a part of its folded name. */
  name?: string
}

/**
 * An event is available while it is not sold out, some zone has capacity, and its sale is on: from `sell_from` to `sell_to`,
 * both inclusive and in its time zone; where one is missing there is no such bound.
 */
export interface Availability {
  /** false: those that are not. */
  is: boolean
  /** `YYYY-MM-DDTHH:MM:SSZ`. */
  at: string
}

/**
 * `local`: wall-clock time `YYYY-MM-DDTHH:MM:SS`, compared with each event's own wall-clock times.
 * `utc`: an instant `YYYY-MM-DDTHH:MM:SSZ`. Both are compared to the second.
 */
export interface Bound {
  clock: 'local' | 'utc'
  at: string
}

/** See `instantLimit`. */
export const MOST_HOURS_FROM_UTC = 16

/**
 * Wall-clock times lie at most 16 hours from UTC (14 today), so a local bound also bounds the instant. That is what lets
 * one index over `starts_at` answer both kinds.
 * @returns the instant (UTC) before which (`from`) or after which (`to`) no event can match the bound.
 */
export function instantLimit(bound: Bound, side: 'from' | 'to'): string {
  if (bound.clock === 'utc') return bound.at
  const hours = side === 'from' ? -MOST_HOURS_FROM_UTC : MOST_HOURS_FROM_UTC
  const limit = new Date(Date.parse(`${bound.at}Z`) + hours * 3_600_000)
  if (limit.getUTCFullYear() > 9999) return '9999-12-31T23:59:59Z'
  return `${limit.toISOString().slice(0, 19)}Z`
}
