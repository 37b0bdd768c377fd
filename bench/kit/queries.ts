import { FEED_DAYS } from '../generate-feed.ts'
import type { Random } from './random.ts'

export const EVENTS = '/v1/api/events'
export const LIMIT = 20
export const REPEATED_PATH = `${EVENTS}?start_date=2021-02-01T00:00:00&end_date=2021-07-31T23:59:59&limit=${LIMIT}`

const FIRST = Date.parse(FEED_DAYS.first)
/** Far enough from the end for a full page. */
const SECONDS = (Date.parse(FEED_DAYS.last) - FIRST) / 1000 - 90 * 86_400

/** The events from some second on. */
export function variedPath(random: Random): string {
  const start = new Date(FIRST + random(SECONDS) * 1000).toISOString().slice(0, 19)
  return `${EVENTS}?start_date=${start}&limit=${LIMIT}`
}
