import { setImmediate as nextTurn } from 'node:timers/promises'
import type { EventPage, Missing, PageRequest, Storage, WriteOptions } from '../kit/contract.ts'
import { type EncodedContent, type EventLife, encodeContent, keepLast, nextLife } from '../kit/encode.ts'
import type { Event } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { noteRepeated } from '../kit/open-run.ts'
import { findKnown } from '../kit/pieces.ts'
import { streamPages } from '../kit/stream.ts'
import type { Database } from './database.ts'
import { selectEvents, toBlob, toSeconds } from './query.ts'

const DELIST_BATCH = 500

type Events = Pick<
  Storage,
  'find' | 'stream' | 'get' | 'revision' | 'write' | 'meet' | 'findPieces' | 'missing' | 'delist'
>

export function createEvents({ get, iterate, run, attempt, fenced }: Database): Events {
  // A run has one, from its start.
  const sourceNumber = (source: string) => get('select no from sources where name = ?', source)!.no as number
  const grow = (changes: number) => {
    if (changes > 0) run("update meta set value = value + ? where key = 'revision'", changes)
  }

  async function find(filters: EventFilters, page: PageRequest): Promise<EventPage> {
    return attempt(() => {
      const query = selectEvents(filters, { ...page, limit: page.limit + 1 })
      const row = get(query.sql, ...query.values) as unknown as { json: Uint8Array | null; n: number }
      const json =
        row.json === null ? Buffer.alloc(0) : Buffer.from(row.json.buffer, row.json.byteOffset, row.json.length)
      return cutPage(json, row.n > page.limit)
    })
  }

  function insert(id: Uint8Array, encoded: EncodedContent, source: number, writing: Writing): number {
    const result = run(
      INSERT,
      id,
      source,
      writing.pieces.get(encoded.content.id) ?? null,
      writing.asOf,
      ...columnValues(encoded, nextLife(encoded.content, undefined, writing))
    )
    return result.lastInsertRowid
  }

  function update(seq: number, encoded: EncodedContent, writing: Writing): void {
    const before = JSON.parse(get('select json from events where seq = ?', seq)!.json as string) as Event
    run(
      UPDATE,
      writing.pieces.get(encoded.content.id) ?? null,
      writing.asOf,
      ...columnValues(encoded, nextLife(encoded.content, before, writing)),
      seq
    )
  }

  return {
    find,
    stream: (filters, signal) => streamPages((page) => find(filters, page), signal),
    get: (id) =>
      attempt(() => {
        const row = get('select json from events where id = ?', toBlob(id))
        return row === undefined ? null : (JSON.parse(row.json as string) as Event)
      }),
    revision: () => attempt(() => get("select value from meta where key = 'revision'")!.value as number),

    write: (opened, events, { listed = true, pieces = NO_PIECES, asOf = opened.lease.token } = {}) =>
      fenced(opened, () => {
        const unique = keepLast(events)
        const counts = { created: 0, updated: 0, unchanged: 0, restored: 0, duplicates: events.length - unique.length }
        const writing = { now: new Date().toISOString(), listed, pieces, asOf }
        const source = sourceNumber(opened.source)
        let changes = 0
        for (const event of unique) {
          const encoded = encodeContent(event)
          const id = toBlob(event.id)
          const known = get('select seq, fingerprint, piece, as_of, listed from events where id = ?', id)
          if (known === undefined) {
            const seq = insert(id, encoded, source, writing)
            if (listed) opened.met.add(seq)
            counts.created++
            changes++
            continue
          }
          const seq = known.seq as number
          const isListed = known.listed === 1
          const isNewer = (known.as_of as number) > asOf
          const isSame = isNewer || (known.fingerprint === encoded.fingerprint && (isListed || !listed))
          if (!isSame) {
            update(seq, encoded, writing)
            changes++
          } else if (!isNewer && known.piece !== (pieces.get(event.id) ?? known.piece)) {
            run('update events set piece = ? where seq = ?', pieces.get(event.id)!, seq)
          }
          if (opened.met.has(seq)) {
            counts.duplicates++
            noteRepeated(opened, event.id)
          } else counts[isSame ? 'unchanged' : listed && !isListed ? 'restored' : 'updated']++
          if (listed || isListed) opened.met.add(seq)
        }
        grow(changes)
        return counts
      }),

    meet: (opened, ids) =>
      fenced(opened, () => {
        for (const id of ids) {
          const known = get('select seq from events where id = ? and listed = 1', toBlob(id))
          if (known !== undefined) opened.met.add(known.seq as number)
        }
      }),

    findPieces: (opened, pieces) =>
      fenced(opened, () =>
        findKnown(pieces, (id) => {
          const known = get('select seq, piece, listed from events where id = ?', toBlob(id))
          return (
            known && { seq: known.seq as number, piece: known.piece as string | null, isListed: known.listed === 1 }
          )
        })
      ),

    missing: (opened, now) =>
      fenced(opened, () => {
        const source = sourceNumber(opened.source)
        const missing: Missing = { all: [], future: [], listedFuture: 0 }
        // None can be missing where as many are listed as were met; then there is nothing to read them for.
        const listed = get('select count(*) as n from events where source = ? and listed = 1', source)!
        if (listed.n === opened.met.size) return missing
        const future = toSeconds(now)
        for (const row of iterate('select seq, starts from events where source = ? and listed = 1', source)) {
          const isFuture = (row.starts as number) > future
          if (isFuture) missing.listedFuture++
          if (opened.met.has(row.seq as number)) continue
          missing.all.push(row.seq as number)
          if (isFuture) missing.future.push(row.seq as number)
        }
        return missing
      }),

    async delist(opened, numbers) {
      let delisted = 0
      for (let i = 0; i < numbers.length; i += DELIST_BATCH) {
        // Others want to be answered meanwhile.
        await nextTurn()
        const batch = numbers.slice(i, i + DELIST_BATCH).filter((seq) => !opened.met.has(seq))
        delisted += await fenced(opened, () => {
          const source = sourceNumber(opened.source)
          const now = new Date().toISOString()
          let changes = 0
          for (const seq of batch) {
            changes += run(
              `update events set listed = 0, json = json_set(json, '$.status', 'delisted', '$.updated_at', ?1, '$.delisted_at', ?1)
               where seq = ?2 and source = ?3 and listed = 1`,
              now,
              seq,
              source
            ).changes
          }
          grow(changes)
          return changes
        })
      }
      return delisted
    }
  }
}

interface Writing extends Required<WriteOptions> {
  now: string
}

const NO_PIECES: ReadonlyMap<string, string> = new Map()

const COLUMNS = [
  'listed',
  'ever_online',
  'online',
  'starts',
  'ends',
  'local_start',
  'local_end',
  'fingerprint',
  'json'
] as const

const INSERT = `insert into events (id, source, piece, as_of, ${COLUMNS.join(', ')})
  values (?, ?, ?, ?, ${COLUMNS.map(() => '?').join(', ')})`
const UPDATE = `update events set piece = ?, as_of = ?, ${COLUMNS.map((name) => `${name} = ?`).join(', ')} where seq = ?`

/** In the order of COLUMNS. */
function columnValues({ content, json, fingerprint }: EncodedContent, life: EventLife): (number | string)[] {
  const starts = toSeconds(content.starts_at)
  const localStart = toSeconds(content.start_date)
  return [
    life.status === 'listed' ? 1 : 0,
    life.ever_online ? 1 : 0,
    content.sell_mode === 'online' ? 1 : 0,
    starts,
    content.ends_at === null ? starts : toSeconds(content.ends_at),
    localStart,
    content.end_date === null ? localStart : toSeconds(content.end_date),
    fingerprint,
    `${json.slice(0, -1)},${JSON.stringify(life).slice(1)}`
  ]
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
