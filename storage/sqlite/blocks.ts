import { LRUCache } from 'lru-cache'
import type { EventPage, PageRequest } from '../kit/contract.ts'
import type { EventFilters, EventQuery } from '../kit/filters.ts'
import type { Database } from './database.ts'
import { type Ahead, SKIPPED } from './query.ts'
import { toInstant, toSeconds } from './time.ts'

/** Consecutive events of the order of `events_pages`, of those that are or ever were sold online: all that start within. */
interface Block {
  /** Seconds since 1970: from, inclusive, and up to, exclusive. */
  from: number
  to: number
  /** Of each event. */
  starts: Float64Array
  ends: Float64Array
  localStarts: Float64Array
  localEnds: Float64Array
  online: Uint8Array
  /** Where each event begins in `json`; one more at the end, for where the next one would. */
  offsets: Uint32Array
  /** The events, joined by commas. */
  json: Buffer
}

/** How the events lie that blocks are made of. */
interface Layout extends Ahead {
  revision: number
  /** When the last of them starts; null: there are none. */
  last: number | null
}

const LAYOUT = `select (select value from meta where key = 'revision') as revision,
  (select value from meta where key = 'most_ahead') as most,
  (select value from meta where key = 'least_ahead') as least,
  (select max(starts) from events indexed by events_pages where ever_online = 1) as last`

const BLOCK = `select cast(group_concat(json) as blob) as json,
    json_group_array(json_array(octet_length(json), starts, ends, local_start, local_end, online)) as entries,
    (select value from meta where key = 'revision') as revision
  from (
    select json, starts, ends, local_start, local_end, online from events indexed by events_pages
      where ever_online = 1 and starts >= ? and starts < ? order by starts, id limit ? + 0
  )`

type Entry = [bytes: number, starts: number, ends: number, localStart: number, localEnd: number, online: number]

/** A block is to hold about so much: the larger, the more pages lie within one; the smaller, the less is read for one page. */
const EVENTS = 256
const BYTES = 2 ** 21
/** Where events lie so much closer together than where they were asked for, a block is too long. */
const CROWD = 4
/** So many at most hold a page. */
const MOST_BLOCKS = 6
/** While there is no room, one in so many that are wanted drives others out: else each would, before it is asked for again. */
const ONE_IN = 16
/** Of what was wanted once, so much is known. */
const MOST_SEEN = 10_000
/** What a block costs beside its events. */
const BLOCK_BYTES = 500
const ENTRY_BYTES = 40

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
export function createBlocks({ get }: Pick<Database, 'get'>, most: number): Blocks {
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

  function hold(power: number, second: number, most: number): void {
    const length = 2 ** power
    const from = Math.floor(second / length) * length
    const { json, entries, revision } = get(BLOCK, from, from + length, most + 1) as unknown as Read
    // Something was written just now.
    if (revision !== layout.revision) return
    const list = JSON.parse(entries) as Entry[]
    if (list.length > most) crowded.add(nameOf(power, second))
    else {
      powers.add(power)
      blocks.set(nameOf(power, second), toBlock(from, from + length, list, json))
    }
  }

  function search(filters: EventFilters, { limit, after }: PageRequest): EventPage | { missing: number } | undefined {
    const { last } = layout
    const range = toRange(filters, after, layout)
    if (last === null || range === undefined) return undefined
    const end = Math.min(range.end, last)
    const parts: Buffer[] = []
    let found = 0
    let second = range.start
    let position: EventPage['next'] = null
    for (let hops = 0; second <= end; hops++) {
      if (hops === MOST_BLOCKS) return undefined
      const block = blockAt(second)
      if (block === undefined) return { missing: second }
      const { starts, offsets, json } = block
      /** The first of those that stand next to one another and are all of the answer. */
      let first = -1
      const flush = (until: number) => {
        if (first !== -1) parts.push(json.subarray(offsets[first], offsets[until]! - 1))
        first = -1
      }
      let i = firstFrom(starts, second)
      for (; i < starts.length && starts[i]! <= end; i++) {
        if (!range.holds(block, i)) {
          flush(i)
          continue
        }
        if (found === limit) {
          flush(i)
          return { json: join(parts), next: position }
        }
        if (first === -1) first = i
        found++
        if (found === limit) position = [toInstant(starts[i]!), idOf(block, i)]
      }
      flush(i)
      second = block.to
    }
    return { json: join(parts), next: null }
  }

  /** @param answer of the database, to what no block was there for */
  function learn(missing: number, { filters }: EventQuery, { limit, after }: PageRequest, { json, next }: EventPage) {
    const start = toRange(filters, after, layout)?.start
    if (start === undefined || next === null) return
    const density = Math.max(1, toSeconds(next[0]!) - start) / limit
    const events = Math.ceil(Math.min(EVENTS, (BYTES * limit) / json.length))
    // Every second power: few of them are to be looked for, and to hold the same.
    let power = 2 * Math.max(0, Math.floor(Math.log2(density * events) / 2))
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
    if (!isFull || ++wanted % ONE_IN === 0) hold(power, missing, events * CROWD)
  }

  return {
    find(query, page, revision, read) {
      if (!isHeld(query.filters)) return read()
      if (revision > layout.revision) {
        forget()
        layout = get(LAYOUT) as unknown as Layout
      }
      const found = search(query.filters, page)
      if (found === undefined) return read()
      if (!('missing' in found)) return found
      const { revision: before } = layout
      const keep = (answer: EventPage) => {
        if (layout.revision === before) learn(found.missing, query, page, answer)
        return answer
      }
      const answer = read()
      return answer instanceof Promise ? answer.then(keep) : keep(answer)
    }
  }
}

interface Read {
  json: Uint8Array | null
  entries: string
  revision: number
}

/** No power is 64. */
const nameOf = (power: number, second: number) => Math.floor(second / 2 ** power) * 64 + power

function isHeld({ sources, everOnline, sellMode }: EventFilters): boolean {
  const isOnline = sellMode === undefined ? everOnline === true : sellMode === 'online'
  return isOnline && sources === undefined
}

interface Range {
  /** Seconds since 1970, both inclusive. */
  start: number
  end: number
  /** Whether an event that starts between them is of the answer. */
  holds(block: Block, i: number): boolean
}

/** @returns undefined where it has no beginning */
function toRange(filters: EventFilters, after: PageRequest['after'], ahead: Ahead): Range | undefined {
  const { match, from, to, sellMode } = filters
  const bound = from && toSeconds(from.at)
  const local = from?.clock === 'local' ? bound : undefined
  if (after === undefined && bound === undefined) return undefined
  const start = after === undefined ? bound! - (local === undefined ? 0 : ahead.most) : toSeconds(after[0]!)
  const until = to === undefined ? Number.POSITIVE_INFINITY : toSeconds(to.at)
  const isLocal = to?.clock === 'local'
  const isWithin = match === 'within' && to !== undefined
  return {
    start,
    end: until + (isWithin ? SKIPPED : 0) - (isLocal ? ahead.least : 0),
    holds(block, i) {
      if (local !== undefined && block.localStarts[i]! < local) return false
      if (isWithin && (isLocal ? block.localEnds : block.ends)[i]! > until) return false
      if (isLocal && !isWithin && block.localStarts[i]! > until) return false
      if (sellMode === 'online' && block.online[i] === 0) return false
      return after === undefined || block.starts[i]! > start || idOf(block, i) > after[1]!
    }
  }
}

const ID_AT = '{"id":"'.length
const ID_LENGTH = 36

/** An event's JSON begins with it. */
function idOf({ json, offsets }: Block, i: number): string {
  const at = offsets[i]! + ID_AT
  return json.toString('latin1', at, at + ID_LENGTH)
}

/** @returns the index of the first that is not before this second */
function firstFrom(starts: Float64Array, second: number): number {
  let [low, high] = [0, starts.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (starts[middle]! < second) low = middle + 1
    else high = middle
  }
  return low
}

const EMPTY = Buffer.alloc(0)
const COMMA = Buffer.from(',')

function join(parts: Buffer[]): Buffer {
  if (parts.length < 2) return parts[0] ?? EMPTY
  return Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [COMMA, part])))
}

function toBlock(from: number, to: number, entries: Entry[], json: Uint8Array | null): Block {
  const offsets = new Uint32Array(entries.length + 1)
  for (const [i, [bytes]] of entries.entries()) offsets[i + 1] = offsets[i]! + bytes + 1
  const column = (which: 1 | 2 | 3 | 4) => Float64Array.from(entries, (entry) => entry[which])
  return {
    from,
    to,
    starts: column(1),
    ends: column(2),
    localStarts: column(3),
    localEnds: column(4),
    online: Uint8Array.from(entries, (entry) => entry[5]),
    offsets,
    json: json === null ? EMPTY : Buffer.from(json.buffer, json.byteOffset, json.length)
  }
}

function sizeOf({ starts, json }: Block): number {
  return BLOCK_BYTES + starts.length * ENTRY_BYTES + json.length
}
