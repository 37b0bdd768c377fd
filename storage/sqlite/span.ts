import type { PageRequest } from '../kit/contract.ts'
import type { EventQuery } from '../kit/filters.ts'
import { type Block, idOf } from './block.ts'
import { type Ahead, keyRange } from './query.ts'
import { toSeconds } from './time.ts'

/** When the events start among which those of a page are looked for. */
export interface Span {
  /** Seconds since 1970, both inclusive. */
  start: number
  end: number
  /** Whether an event that starts between them is of the answer. */
  holds(block: Block, i: number): boolean
}

/**
 * @param query that `isCommon`
 * @returns undefined where it has no beginning
 */
export function toSpan(query: EventQuery, after: PageRequest['after'], ahead: Ahead): Span | undefined {
  const { match, from, to, sellMode } = query.filters
  const { low, high } = keyRange(query, ahead) as { low?: number; high?: number }
  const start = after === undefined ? low : Number(after[0])
  if (start === undefined) return undefined
  const since = from?.clock === 'local' ? toSeconds(from.at) : Number.NEGATIVE_INFINITY
  const until = to === undefined ? Number.POSITIVE_INFINITY : toSeconds(to.at)
  const isLocal = to?.clock === 'local'
  const isWithin = match === 'within'
  return {
    start,
    end: high ?? Number.POSITIVE_INFINITY,
    holds(block, i) {
      if (block.localStarts[i]! < since) return false
      if (isWithin && (isLocal ? block.localEnds : block.ends)[i]! > until) return false
      if (isLocal && !isWithin && block.localStarts[i]! > until) return false
      if (sellMode === 'online' && block.online[i] === 0) return false
      return after === undefined || block.starts[i]! > start || idOf(block, i) > after[1]!
    }
  }
}
