import type { EventPage, KnownEvent, PageRequest, Storage } from '../kit/contract.ts'
import type { Event } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { streamPages } from '../kit/stream.ts'
import type { Database, Row } from './database.ts'
import { selectEvents, toBlob } from './query.ts'

type Events = Pick<Storage, 'find' | 'stream' | 'get' | 'known' | 'revision'>

/** What is read of events. */
export function createEvents({ get, attempt }: Database): Events {
  async function find(filters: EventFilters, page: PageRequest): Promise<EventPage> {
    return attempt(() => {
      const query = selectEvents(filters, { ...page, limit: page.limit + 1 })
      const row = get(query.sql, ...query.values) as unknown as { json: Uint8Array | null; n: number }
      const json =
        row.json === null ? Buffer.alloc(0) : Buffer.from(row.json.buffer, row.json.byteOffset, row.json.length)
      return cutPage(json, row.n > page.limit)
    })
  }

  return {
    find,
    stream: (filters, signal) => streamPages((page) => find(filters, page), signal),
    get: (id) =>
      attempt(() => {
        const row = get('select json from events where id = ?', toBlob(id))
        return row === undefined ? null : (JSON.parse(row.json as string) as Event)
      }),
    known: (source, which) =>
      attempt(() => {
        const [column, values] = 'ids' in which ? ['id', which.ids.map(toBlob)] : ['seq', which.numbers]
        return values
          .map((value) => get(`${SELECT_KNOWN} where ${column} = ?`, value))
          .filter((row) => row !== undefined)
          .map(toKnown)
          .filter(({ event }) => event.source === source)
      }),
    revision: () => attempt(() => get("select value from meta where key = 'revision'")!.value as number)
  }
}

const SELECT_KNOWN = 'select seq, fingerprint, as_of, piece, json from events'

function toKnown({ seq, fingerprint, as_of, piece, json }: Row): KnownEvent {
  return { number: seq, fingerprint, asOf: as_of, piece, event: JSON.parse(json as string) } as KnownEvent
}

/**
 * The page was read with one event more than asked for, to see whether another page follows. An event's JSON starts
 * with its id, and inside a JSON string every quote is escaped, so these bytes stand nowhere else.
 */
const EVENT_START = Buffer.from('{"id":"')
const STARTS_AT = Buffer.from('","starts_at":"')

function cutPage(json: Buffer, more: boolean): EventPage {
  if (!more) return { json, next: null }
  const page = json.subarray(0, json.lastIndexOf(EVENT_START) - 1)
  const last = page.lastIndexOf(EVENT_START)
  const read = (from: number, length: number) => page.toString('latin1', from, from + length)
  const id = read(last + EVENT_START.length, 36)
  const startsAt = read(page.indexOf(STARTS_AT, last) + STARTS_AT.length, 20)
  return { json: page, next: [startsAt, id] }
}
