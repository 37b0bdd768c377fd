import { type Database, toBuffer } from './database.ts'
import type { Ahead } from './query.ts'

/** Consecutive events of the order of `events_pages`, of those that are or ever were sold online: all that start within. */
export interface Block {
  /** Seconds since 1970, exclusive: where the next block would begin. */
  to: number
  /** Of each event, in seconds since 1970: its instants, and what the wall clock shows then, as if it were UTC. */
  starts: Float64Array
  ends: Float64Array
  localStarts: Float64Array
  localEnds: Float64Array
  /** 1: it is sold online now. */
  online: Uint8Array
  /** Where each event begins in `json`; one more at the end, for where the next one would. */
  offsets: Uint32Array
  /** The events, joined by commas. */
  json: Buffer
}

/** How the events lie that blocks are made of. */
export interface Layout extends Ahead {
  revision: number
  /** When the last of them starts, in seconds since 1970; null: there are none. */
  last: number | null
}

const LAYOUT = `select (select value from meta where key = 'revision') as revision,
  (select value from meta where key = 'most_ahead') as most,
  (select value from meta where key = 'least_ahead') as least,
  (select max(starts) from events indexed by events_pages where ever_online = 1) as last`

export function readLayout({ get }: Pick<Database, 'get'>): Layout {
  return get(LAYOUT) as unknown as Layout
}

const REVISION = "(select value from meta where key = 'revision') as revision"
const within = (columns: string) => `select ${columns} from events indexed by events_pages
  where ever_online = 1 and starts >= ? and starts < ? order by starts, id limit ? + 0`
const ENTRIES = `select json_group_array(json_array(bytes, starts, ends, local_start, local_end, online)) as entries, ${REVISION}
  from (${within('octet_length(json) as bytes, starts, ends, local_start, local_end, online')})`
const JSON_OF = `select cast(group_concat(json) as blob) as json, ${REVISION} from (${within('json')})`

type Entry = [bytes: number, starts: number, ends: number, localStart: number, localEnd: number, online: number]

/**
 * @param from seconds since 1970, inclusive; `to`: exclusive
 * @param most that it may hold
 * @returns undefined where the store is of another revision by now; null where it would hold more
 */
export function readBlock(
  { get }: Pick<Database, 'get'>,
  { from, to }: { from: number; to: number },
  most: { events: number; bytes: number },
  revision: number
): Block | null | undefined {
  const range = [from, to, most.events + 1] as const
  const entries = get(ENTRIES, ...range)!
  if (entries.revision !== revision) return undefined
  const list = JSON.parse(entries.entries as string) as Entry[]
  const bytes = list.reduce((sum, [bytes]) => sum + bytes, 0)
  // The events themselves only then: much of a feed can be in one second.
  if (list.length > most.events || bytes > most.bytes) return null
  const events = get(JSON_OF, ...range)!
  return events.revision === revision ? toBlock(to, list, events.json as Uint8Array | null) : undefined
}

function toBlock(to: number, entries: Entry[], json: Uint8Array | null): Block {
  const offsets = new Uint32Array(entries.length + 1)
  for (const [i, [bytes]] of entries.entries()) offsets[i + 1] = offsets[i]! + bytes + 1
  const column = (which: 1 | 2 | 3 | 4) => Float64Array.from(entries, (entry) => entry[which])
  return {
    to,
    starts: column(1),
    ends: column(2),
    localStarts: column(3),
    localEnds: column(4),
    online: Uint8Array.from(entries, (entry) => entry[5]),
    offsets,
    json: toBuffer(json)
  }
}

/** What a block costs beside its events, and an event beside its JSON. */
const BLOCK_BYTES = 500
const ENTRY_BYTES = 40

export function sizeOf({ starts, json }: Block): number {
  return BLOCK_BYTES + starts.length * ENTRY_BYTES + json.length
}

const ID_AT = '{"id":"'.length
const ID_LENGTH = 36

/** An event's JSON begins with it. */
export function idOf({ json, offsets }: Block, i: number): string {
  const at = offsets[i]! + ID_AT
  return json.toString('latin1', at, at + ID_LENGTH)
}

/** @returns the index of the first event that does not start before this second */
export function firstFrom({ starts }: Block, second: number): number {
  let [low, high] = [0, starts.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (starts[middle]! < second) low = middle + 1
    else high = middle
  }
  return low
}
