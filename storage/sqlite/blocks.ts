import { LRUCache } from 'lru-cache'
import type { EventPage, PageRequest } from '../kit/contract.ts'
import type { EventFilters, EventQuery } from '../kit/filters.ts'
import { type Block, type Layout, readBlock, readLayout, sizeOf } from './block.ts'
import type { Database } from './database.ts'
import { type Gap, searchBlocks } from './search-blocks.ts'

/** A block is to hold about so much: the larger, the more pages lie within one; the smaller, the less is read for one page. */
const EVENTS = 256
const BYTES = 2 ** 21
/** Where events lie so much closer together than where they were asked for, or are so much larger, a block is too long. */
const CROWD = 4
/** While there is no room, one in so many that are wanted drives others out: else each would, before it is asked for again. */
const ONE_IN = 16
/** Of what was wanted once, so much is known. */
const MOST_SEEN = 10_000

/**
 * The parts of the list that are asked for most, in memory as they are sent. Queries that all differ, as those from "now"
 * on, are answered from the same few of them: with a piece of a block, without SQLite.
 */
export interface Blocks {
  /**
   * @param query that `isCommon`, of a store that has its indexes
   * @param revision the answer is of then or later
   * @param read asks the database; what is asked for again and again is then held
   */
  find(
    query: EventQuery,
    page: PageRequest,
    revision: number,
    read: () => EventPage | Promise<EventPage>
  ): EventPage | Promise<EventPage>
}

/** @param most bytes, of all blocks together */
export function createBlocks(database: Pick<Database, 'get'>, most: number): Blocks {
  let layout: Layout = { revision: -1, most: 0, least: 0, last: null }
  /** By `nameOf`: the power of two that is their length in seconds, and which of these lengths since 1970 it is. */
  const blocks = new LRUCache<number, Block>({ maxSize: most, sizeCalculation: sizeOf })
  const powers = new Set<number>()
  const seen = new Set<number>()
  /** Of so many events that shorter ones are to take their place. */
  const crowded = new Set<number>()
  let wanted = 0

  function forget(): void {
    blocks.clear()
    powers.clear()
    seen.clear()
    crowded.clear()
  }

  function blockAt(second: number): Block | undefined {
    for (const power of powers) {
      const block = blocks.get(nameOf(power, second))
      if (block !== undefined) return block
    }
    return undefined
  }

  /** @param events about so many */
  function hold(power: number, second: number, events: number): void {
    const length = 2 ** power
    const from = Math.floor(second / length) * length
    const allowed = { events: events * CROWD, bytes: BYTES * CROWD }
    const block = readBlock(database, { from, to: from + length }, allowed, layout.revision)
    if (block === undefined) return
    if (block === null) crowded.add(nameOf(power, second))
    else {
      powers.add(power)
      blocks.set(nameOf(power, second), block)
    }
  }

  /** @param answer of the database, to what no block was there for */
  function learn({ missing, start }: Gap, { limit }: PageRequest, { json, next }: EventPage): void {
    // That it is the last page does not say how close together events lie.
    if (next === null) return
    const secondsEach = Math.max(1, Number(next[0]) - start) / limit
    const events = Math.ceil(Math.min(EVENTS, (BYTES * limit) / json.length))
    // Every second power: few of them are to be looked for, and to hold the same.
    let power = 2 * Math.max(0, Math.floor(Math.log2(secondsEach * events) / 2))
    while (crowded.has(nameOf(power, missing))) {
      // Nothing is shorter than a second.
      if (power === 0) return
      power -= 2
    }
    const name = nameOf(power, missing)
    if (!seen.has(name)) {
      if (seen.size >= MOST_SEEN) seen.clear()
      seen.add(name)
      return
    }
    const isFull = blocks.calculatedSize + Math.min(BYTES, (json.length / limit) * events) > most
    if (!isFull || ++wanted % ONE_IN === 0) hold(power, missing, events)
  }

  return {
    find(query, page, revision, read) {
      if (!isHeld(query.filters)) return read()
      if (revision > layout.revision) {
        forget()
        layout = readLayout(database)
      }
      const found = searchBlocks(blockAt, layout, query, page)
      if (found === undefined) return read()
      if (!('missing' in found)) return found
      const keep = (answer: EventPage) => {
        learn(found, page, answer)
        return answer
      }
      const answer = read()
      return answer instanceof Promise ? answer.then(keep) : keep(answer)
    }
  }
}

/** One for each: no power is as great as 64. */
const nameOf = (power: number, second: number) => Math.floor(second / 2 ** power) * 64 + power

function isHeld({ sources, everOnline, sellMode }: EventFilters): boolean {
  const isOnline = sellMode === undefined ? everOnline === true : sellMode === 'online'
  return isOnline && sources === undefined
}
