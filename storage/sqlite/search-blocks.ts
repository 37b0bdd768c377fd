import type { EventPage, PageRequest } from '../kit/contract.ts'
import type { EventQuery } from '../kit/filters.ts'
import { type Block, firstFrom, idOf, type Layout } from './block.ts'
import { toPosition } from './query.ts'
import { toSpan } from './span.ts'

/** Where no block is held that a page needs. */
export interface Gap {
  /** Seconds since 1970: the first that is in none, and where the page was looked for from. */
  missing: number
  start: number
}

/** So many at most hold a page. */
const MOST_BLOCKS = 6

/**
 * @param blockAt the block that this second lies in, if it is held
 * @param layout of the same revision as the blocks
 * @returns undefined where blocks are not for it
 */
export function searchBlocks(
  blockAt: (second: number) => Block | undefined,
  layout: Layout,
  query: EventQuery,
  { limit, after }: PageRequest
): EventPage | Gap | undefined {
  const span = toSpan(query, after, layout)
  if (layout.last === null || span === undefined) return undefined
  const end = Math.min(span.end, layout.last)
  const parts: Buffer[] = []
  let found = 0
  let second = span.start
  let position: EventPage['next'] = null
  for (let hops = 0; second <= end; hops++) {
    if (hops === MOST_BLOCKS) return undefined
    const block = blockAt(second)
    if (block === undefined) return { missing: second, start: span.start }
    const { starts, offsets, json } = block
    /** The first of those that stand next to one another and are all of the answer. */
    let first = -1
    const flush = (until: number) => {
      if (first !== -1) parts.push(json.subarray(offsets[first], offsets[until]! - 1))
      first = -1
    }
    let i = firstFrom(block, second)
    for (; i < starts.length && starts[i]! <= end; i++) {
      if (!span.holds(block, i)) {
        flush(i)
        continue
      }
      if (found === limit) {
        flush(i)
        return { json: join(parts), next: position }
      }
      if (first === -1) first = i
      found++
      if (found === limit) position = toPosition(starts[i]!, idOf(block, i))
    }
    flush(i)
    second = block.to
  }
  return { json: join(parts), next: null }
}

const EMPTY = Buffer.alloc(0)
const COMMA = Buffer.from(',')

function join(parts: Buffer[]): Buffer {
  if (parts.length < 2) return parts[0] ?? EMPTY
  return Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [COMMA, part])))
}
