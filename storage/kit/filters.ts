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
  source?: string
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
