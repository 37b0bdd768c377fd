import type { EventPage, PageRequest, Storage } from '../kit/contract.ts'
import { type EncodedContent, type EventLife, encodeContent, keepLast, listedLife } from '../kit/encode.ts'
import type { Event } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { streamPages } from '../kit/stream.ts'
import type { Database } from './database.ts'
import { selectEvents, toBlob, toSeconds } from './query.ts'

const DELIST_BATCH = 500

type Events = Pick<Storage, 'find' | 'stream' | 'get' | 'revision' | 'write' | 'delist'>

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

  function insert(encoded: EncodedContent, source: number, now: string): number {
    const result = run(
      `insert into events (id, source, listed, ${COLUMNS.join(', ')}) values (?, ?, 1, ${COLUMNS.map(() => '?').join(', ')})`,
      toBlob(encoded.content.id),
      source,
      ...columnValues(encoded, listedLife(encoded.content, undefined, now))
    )
    return result.lastInsertRowid
  }

  function update(seq: number, encoded: EncodedContent, now: string): void {
    const before = JSON.parse(get('select json from events where seq = ?', seq)!.json as string) as Event
    run(
      `update events set listed = 1, ${COLUMNS.map((name) => `${name} = ?`).join(', ')} where seq = ?`,
      ...columnValues(encoded, listedLife(encoded.content, before, now)),
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

    write: (opened, events) =>
      fenced(opened, () => {
        const counts = { created: 0, updated: 0, unchanged: 0, restored: 0 }
        const now = new Date().toISOString()
        const source = sourceNumber(opened.source)
        for (const event of keepLast(events)) {
          const encoded = encodeContent(event)
          const known = get('select seq, fingerprint, listed from events where id = ?', toBlob(event.id))
          if (known === undefined) {
            opened.met.add(insert(encoded, source, now))
            counts.created++
            continue
          }
          opened.met.add(known.seq as number)
          if (known.listed === 1 && known.fingerprint === encoded.fingerprint) {
            counts.unchanged++
            continue
          }
          update(known.seq as number, encoded, now)
          counts[known.listed === 1 ? 'updated' : 'restored']++
        }
        grow(counts.created + counts.updated + counts.restored)
        return counts
      }),

    async delist(opened) {
      const missing = await fenced(opened, () => {
        const numbers: number[] = []
        const listed = get(
          'select count(*) as n from events where source = ? and listed = 1',
          sourceNumber(opened.source)
        )!
        if (listed.n === opened.met.size) return numbers
        for (const row of iterate(
          'select seq from events where source = ? and listed = 1',
          sourceNumber(opened.source)
        )) {
          if (!opened.met.has(row.seq as number)) numbers.push(row.seq as number)
        }
        return numbers
      })
      for (let i = 0; i < missing.length; i += DELIST_BATCH) {
        const batch = missing.slice(i, i + DELIST_BATCH)
        await fenced(opened, () => {
          const now = new Date().toISOString()
          for (const seq of batch) {
            run(
              `update events set listed = 0, json = json_set(json, '$.status', 'delisted', '$.updated_at', ?1, '$.delisted_at', ?1)
               where seq = ?2`,
              now,
              seq
            )
          }
          grow(batch.length)
        })
      }
      return missing.length
    }
  }
}

const COLUMNS = ['ever_online', 'online', 'starts', 'ends', 'local_start', 'local_end', 'fingerprint', 'json'] as const

/** In the order of COLUMNS. */
function columnValues({ content, json, fingerprint }: EncodedContent, life: EventLife): (number | string)[] {
  const starts = toSeconds(content.starts_at)
  const localStart = toSeconds(`${content.start_date}Z`)
  return [
    life.ever_online ? 1 : 0,
    content.sell_mode === 'online' ? 1 : 0,
    starts,
    content.ends_at === null ? starts : toSeconds(content.ends_at),
    localStart,
    content.end_date === null ? localStart : toSeconds(`${content.end_date}Z`),
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
