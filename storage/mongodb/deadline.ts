import { MongoServerError } from 'mongodb'
import { QueryTooSlow } from '../kit/errors.ts'
import { QUERY_DEADLINE_MS } from '../kit/filters.ts'

/** What the server answers where a command took longer than its `maxTimeMS`. */
const MAX_TIME_EXPIRED = 50
const ADVICE =
  `the events that match were not found within ${QUERY_DEADLINE_MS / 1000} s: ask for a shorter time, or ` +
  'for whole and rarer words, or sort by start'

/** Of queries: whatever is asked for, it costs the server no more than this. */
export const DEADLINE = { maxTimeMS: QUERY_DEADLINE_MS }

/** Work whose commands have that deadline. */
export async function inTime<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof MongoServerError && error.code === MAX_TIME_EXPIRED ? new QueryTooSlow(ADVICE) : error
  }
}
