import { randomUUIDv7 } from 'node:crypto'
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { Bitmap } from '../kit/bitmap.ts'
import type { AdapterState, EventPage, OpenRun, PageRequest, Reject, Run, Storage } from '../kit/contract.ts'
import { NO_COUNTS } from '../kit/counts.ts'
import { type EncodedContent, type EventLife, encodeContent, keepLast, listedLife } from '../kit/encode.ts'
import { LeaseLost, StorageUnavailable, StorageUnusable } from '../kit/errors.ts'
import type { Event } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { toPage } from '../kit/page.ts'
import { rejectId } from '../kit/rejects.ts'
import { streamPages } from '../kit/stream.ts'
import { selectEvents, toBlob, toSeconds } from './query.ts'
import { isMigrated, migrate } from './schema.ts'

/** SQLite's own clock, in milliseconds: every process on the file sees the same one. */
const NOW_MS = "cast(unixepoch('subsec') * 1000 as integer)"
const DELIST_BATCH = 500

type Row = Record<string, SQLOutputValue>

export function createStorage(db: DatabaseSync, path: string): Storage {
  const statements = new Map<string, StatementSync>()
  const sql = (text: string): StatementSync => {
    let statement = statements.get(text)
    if (statement === undefined) {
      statement = db.prepare(text)
      statements.set(text, statement)
    }
    return statement
  }
  const get = (text: string, ...values: (string | number | Buffer | null)[]) =>
    sql(text).get(...values) as Row | undefined
  const all = (text: string, ...values: (string | number | Buffer | null)[]) => sql(text).all(...values) as Row[]
  const run = (text: string, ...values: (string | number | Buffer | null)[]) => sql(text).run(...values)

  /** Every call goes through here: what SQLite throws becomes an error of the contract. */
  async function attempt<T>(work: () => T): Promise<T> {
    try {
      return work()
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_SQLITE_ERROR') throw error
      throw new StorageUnavailable(`the SQLite file ${path}: ${(error as Error).message}`, { cause: error })
    }
  }
  const transaction = <T>(work: () => T): Promise<T> =>
    attempt(() => {
      db.exec('begin immediate')
      try {
        const result = work()
        db.exec('commit')
        return result
      } catch (error) {
        if (db.isTransaction) db.exec('rollback')
        throw error
      }
    })
  /** A transaction that only the holder of the newest token of the run's lease can commit. */
  const fenced = <T>({ lease }: OpenRun, work: () => T): Promise<T> =>
    transaction(() => {
      const row = get(
        'select 1 from leases where name = ? and holder = ? and token = ?',
        lease.name,
        lease.holder,
        lease.token
      )
      if (row === undefined) throw new LeaseLost(lease.name)
      return work()
    })

  const sourceNumber = (source: string): number => {
    run('insert into sources (name) values (?) on conflict do nothing', source)
    return get('select no from sources where name = ?', source)!.no as number
  }
  const grow = (changes: number) => {
    if (changes > 0) run("update meta set value = value + ? where key = 'revision'", changes)
  }

  async function find(filters: EventFilters, page: PageRequest): Promise<EventPage> {
    return attempt(() => {
      const query = selectEvents(filters, { ...page, limit: page.limit + 1 })
      const row = sql(query.sql).get(...query.values) as { json: Uint8Array | null; n: number }
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
    return result.lastInsertRowid as number
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

    runs: (source, { limit, after }) =>
      attempt(() => {
        const rows = all(
          'select * from runs where source = ? and id < ? order by source desc, id desc limit ?',
          source,
          after?.[0] ?? '~',
          limit + 1
        )
        return toPage(rows.map(toRun), limit, (last) => [last.id])
      }),
    rejects: (source, { limit, after }) =>
      attempt(() => {
        const rows = all(
          `select id, source, run_id, reason, path, raw, event_id, first_seen_at, last_seen_at, count from rejects
           where source = ? and (last_seen_at, id) < (?, ?) order by last_seen_at desc, id desc limit ?`,
          source,
          after?.[0] ?? '~',
          after?.[1] ?? '~',
          limit + 1
        )
        return toPage(rows as unknown as Reject[], limit, (last) => [last.last_seen_at, last.id])
      }),
    sources: () =>
      attempt(() =>
        all('select name, state, last_success_at from sources order by name').map((row) => ({
          source: row.name as string,
          state: JSON.parse((row.state as string | null) ?? 'null') as AdapterState | null,
          last_success_at: row.last_success_at as string | null
        }))
      ),

    takeLease: (name, holder, ms) =>
      transaction(() => {
        const row = get(
          `insert into leases values (?1, ?2, 1, ${NOW_MS} + ?3)
           on conflict (name) do update set holder = ?2, token = token + 1, expires = ${NOW_MS} + ?3
           where holder is null or expires <= ${NOW_MS} returning token`,
          name,
          holder,
          ms
        )
        return row === undefined ? null : { name, holder, token: row.token as number }
      }),
    renewLease: ({ name, holder, token }, ms) =>
      attempt(() => {
        const result = run(
          `update leases set expires = ${NOW_MS} + ? where name = ? and holder = ? and token = ? and expires > ${NOW_MS}`,
          ms,
          name,
          holder,
          token
        )
        return result.changes === 1
      }),
    releaseLease: ({ name, holder, token }) =>
      attempt(() => {
        run('update leases set holder = null where name = ? and holder = ? and token = ?', name, holder, token)
      }),

    openRun: (source, lease) => {
      const opened: OpenRun = {
        id: randomUUIDv7(),
        source,
        lease,
        started_at: new Date().toISOString(),
        met: new Bitmap()
      }
      return fenced(opened, () => {
        sourceNumber(source)
        run(
          "update runs set finished_at = ?, outcome = 'aborted', reason = 'abandoned' where source = ? and finished_at is null",
          opened.started_at,
          source
        )
        run(
          'insert into runs (id, source, started_at, counts) values (?, ?, ?, ?)',
          opened.id,
          source,
          opened.started_at,
          JSON.stringify(NO_COUNTS)
        )
        return opened
      })
    },

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

    writeRejects: (opened, rejects) =>
      fenced(opened, () => {
        const now = new Date().toISOString()
        for (const reject of rejects) {
          run(
            `insert into rejects values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1)
             on conflict (id) do update set path = ?5, last_seen_at = ?8, count = count + (run_id <> ?3), run_id = ?3`,
            rejectId(opened.source, reject),
            opened.source,
            opened.id,
            reject.reason,
            reject.path,
            reject.raw,
            reject.event_id,
            now
          )
          const known =
            reject.event_id === null ? undefined : get('select seq from events where id = ?', toBlob(reject.event_id))
          if (known !== undefined) opened.met.add(known.seq as number)
        }
      }),

    async delist(opened) {
      const missing = await fenced(opened, () => {
        const numbers: number[] = []
        const listed = sql('select seq from events where source = ? and listed = 1')
        for (const row of listed.iterate(sourceNumber(opened.source)) as Iterable<Row>) {
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
    },

    closeRun: (opened, end) =>
      fenced(opened, () => {
        const finished = new Date().toISOString()
        const succeeded = end.outcome === 'complete' || end.outcome === 'unchanged'
        run(
          'update sources set state = coalesce(?, state), last_success_at = coalesce(?, last_success_at) where name = ?',
          end.state === undefined ? null : JSON.stringify(end.state),
          succeeded ? finished : null,
          opened.source
        )
        run(
          'update runs set finished_at = ?, outcome = ?, reason = ?, detail = ?, counts = ? where id = ?',
          finished,
          end.outcome,
          end.reason,
          end.detail,
          JSON.stringify(end.counts),
          opened.id
        )
        return toRun(get('select * from runs where id = ?', opened.id)!)
      }),

    prune: (keep) =>
      transaction(() => {
        for (const { name } of all('select name from sources')) {
          run(
            `delete from runs where source = ?1 and id <
             (select id from runs where source = ?1 order by id desc limit 1 offset ?2)`,
            name as string,
            keep.runs - 1
          )
          run(
            `delete from rejects where source = ?1 and (last_seen_at, id) <
             (select last_seen_at, id from rejects where source = ?1 order by last_seen_at desc, id desc limit 1 offset ?2)`,
            name as string,
            keep.rejects - 1
          )
        }
      }),

    ping: () =>
      attempt(() => {
        if (!isMigrated(db)) throw new StorageUnavailable(`the SQLite file ${path} is not migrated yet`)
      }),
    migrate: async () => {
      try {
        migrate(db, path)
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_SQLITE_ERROR') throw error
        throw new StorageUnusable(`the SQLite file ${path} cannot be set up: ${(error as Error).message}`, {
          cause: error
        })
      }
    },
    close: async () => {
      if (db.isOpen) db.close()
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

function cutPage(json: Buffer, more: boolean): EventPage {
  if (!more) return { json, next: null }
  const page = json.subarray(0, json.lastIndexOf(EVENT_START) - 1)
  const last = JSON.parse(page.toString('utf8', page.lastIndexOf(EVENT_START))) as Event
  return { json: page, next: [last.starts_at, last.id] }
}

function toRun({ counts, ...row }: Row): Run {
  return { ...row, counts: JSON.parse(counts as string) } as unknown as Run
}
