import type { EventPage, KnownEvent, PageRequest, Storage } from '../kit/contract.ts'
import type { Event } from '../kit/event.ts'
import type { EventQuery } from '../kit/filters.ts'
import { streamPages } from '../kit/stream.ts'
import type { Blocks } from './blocks.ts'
import { type Database, type Row, toBuffer } from './database.ts'
import { createFinder, refuseForgotten } from './find.ts'
import { isCommon, selectPage } from './hot.ts'
import { toBlob } from './ids.ts'
import { isIndexed } from './indexes.ts'
import { toPosition } from './query.ts'
import { toSeconds } from './time.ts'

type Events = Pick<Storage, 'find' | 'count' | 'stream' | 'get' | 'known' | 'revision' | 'secret'>

/** What is read of events. */
export function createEvents(database: Database, blocks?: Blocks): Events {
  const { get, attempt } = database
  const finder = createFinder(database)
  let hasPages = false

  /** Whether the index is there that the common list is read from. */
  function isCommonNow(query: EventQuery): boolean {
    hasPages ||= isIndexed(database)
    return hasPages && isCommon(query)
  }

  /** @returns undefined where it takes more than one look */
  function findCommon(query: EventQuery, page: PageRequest): EventPage | undefined {
    const { page: sql, more, values } = selectPage(query, { ...page, limit: page.limit + 1 })
    const { json: bytes, n } = get(sql, ...values) as unknown as { json: Uint8Array | null; n: number }
    const json = toBuffer(bytes)
    if (n > page.limit) return cutPage(json)
    return more === null || get(more, ...values) === undefined ? { json, next: null } : undefined
  }

  const find = (query: EventQuery, page: PageRequest, revision?: number) =>
    attempt(() => {
      if (!isCommonNow(query)) return finder.find(query, page)
      const read = () => findCommon(query, page) ?? finder.find(query, page)
      return blocks === undefined || revision === undefined ? read() : blocks.find(query, page, revision, read)
    })

  return {
    find,
    count: (query, most) => attempt(() => finder.count(query, most)),
    stream: (query, signal) => streamPages((page) => find(query, page), signal),
    get: (id, asOf) =>
      attempt(() => {
        const row = get('select json from events where id = ?', toBlob(id))
        if (row === undefined) return null
        const event = JSON.parse(row.json as string) as Event
        if (asOf === undefined) return event
        if (event.first_seen_at > asOf) return null
        refuseForgotten(database, asOf)
        if (event.updated_at <= asOf) return event
        const at = Date.parse(asOf)
        const former = get(AS_OF, toBlob(id), at, at)
        return former === undefined ? null : (JSON.parse(former.json as string) as Event)
      }),
    known: (source, which) =>
      attempt(() => {
        const [column, values] =
          'ids' in which ? (['id', which.ids.map(toBlob)] as const) : (['seq', which.numbers] as const)
        return values
          .map((value) => get(`${SELECT_KNOWN} where ${column} = ?`, value))
          .filter((row) => row !== undefined)
          .map(toKnown)
          .filter(({ event }) => event.source === source)
      }),
    revision: () => attempt(() => get("select value from meta where key = 'revision'")!.value as number),
    secret: () => attempt(() => get('select secret from secrets')!.secret as string)
  }
}

const AS_OF = `select json from versions where event = (select seq from events where id = ?)
  and updated <= ? and replaced > ?`
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

function cutPage(json: Buffer): EventPage {
  const page = json.subarray(0, json.lastIndexOf(EVENT_START) - 1)
  const last = page.lastIndexOf(EVENT_START)
  const read = (from: number, length: number) => page.toString('latin1', from, from + length)
  const id = read(last + EVENT_START.length, 36)
  const startsAt = read(page.indexOf(STARTS_AT, last) + STARTS_AT.length, 20)
  return { json: page, next: toPosition(toSeconds(startsAt), id) }
}
