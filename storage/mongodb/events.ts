import { type AnyBulkWriteOperation, MongoBulkWriteError } from 'mongodb'
import type { EventPage, OpenRun, PageRequest, Storage, WriteCounts } from '../kit/contract.ts'
import { encodeContent, keepLast, listedLife } from '../kit/encode.ts'
import { LeaseLost } from '../kit/errors.ts'
import type { EventContent } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { toPage } from '../kit/page.ts'
import { streamPages } from '../kit/stream.ts'
import { type Database, DUPLICATE_KEY, READ } from './database.ts'
import { type EventDocument, fromDocument, INTERNAL, toDocument } from './documents.ts'
import { toFilter } from './query.ts'

const DELIST_BATCH = 500

type Events = Pick<Storage, 'find' | 'stream' | 'get' | 'revision' | 'write' | 'delist'>

export function createEvents({ events, meta, attempt, fenced, count }: Database): Events {
  /** After the writes, even those of a batch that failed half-way: who read the old revision read the old events. */
  async function growing<T>(changes: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      await count({ revision: changes })
    }
  }

  function find(filters: EventFilters, page: PageRequest): Promise<EventPage> {
    return attempt(async () => {
      const rows = await events
        .find(toFilter(filters, page.after), { ...READ, projection: INTERNAL })
        .sort({ starts_at: 1, _id: 1 })
        .hint('events_by_start')
        .limit(page.limit + 1)
        .toArray()
      const { items, next } = toPage(rows, page.limit, (last) => [last.starts_at, last._id])
      return { json: items.map((item) => JSON.stringify(fromDocument(item))).join(','), next }
    })
  }

  async function write(run: OpenRun, batch: EventContent[]): Promise<WriteCounts> {
    const counts = { created: 0, updated: 0, unchanged: 0, restored: 0 }
    const encoded = keepLast(batch).map(encodeContent)
    const projection = { fingerprint: 1, status: 1, seq: 1, first_seen_at: 1, ever_online: 1 } as const
    const ids = encoded.map(({ content }) => content.id)
    const found = await events.find({ _id: { $in: ids } }, { ...READ, projection }).toArray()
    const known = new Map(found.map((document) => [document._id, document]))
    const created = encoded.length - known.size
    let seq = created === 0 ? 0 : (await count({ seq: created })).seq! - created
    const now = new Date().toISOString()
    const { token } = run.lease
    const operations: AnyBulkWriteOperation<EventDocument>[] = []
    const met: number[] = []
    for (const one of encoded) {
      const before = known.get(one.content.id)
      const number = before?.seq ?? ++seq
      met.push(number)
      if (before?.status === 'listed' && before.fingerprint === one.fingerprint) {
        counts.unchanged++
        continue
      }
      counts[before === undefined ? 'created' : before.status === 'listed' ? 'updated' : 'restored']++
      const replacement = toDocument(one, listedLife(one.content, before, now), { seq: number, token })
      operations.push({
        replaceOne: { filter: { _id: one.content.id, token: { $lte: token } }, replacement, upsert: true }
      })
    }
    if (operations.length > 0) {
      await growing(operations.length, () => writeFenced(operations, run))
    }
    for (const number of met) run.met.add(number)
    return counts
  }
  /** An upsert that meets a newer token finds nothing to replace, and an `_id` that is taken. */
  async function writeFenced(operations: AnyBulkWriteOperation<EventDocument>[], { lease }: OpenRun): Promise<void> {
    try {
      await events.bulkWrite(operations, { ordered: false })
    } catch (error) {
      if (error instanceof MongoBulkWriteError && error.code === DUPLICATE_KEY) throw new LeaseLost(lease.name)
      throw error
    }
  }

  return {
    find,
    stream: (filters, signal) => streamPages((page) => find(filters, page), signal),
    get: (id) =>
      attempt(async () => {
        const document = await events.findOne({ _id: id }, { ...READ, projection: INTERNAL })
        return document === null ? null : fromDocument(document)
      }),
    revision: () => attempt(async () => (await meta.findOne({ _id: 'counters' }, READ))?.revision ?? 0),

    write: (run, batch) => fenced(run, () => write(run, batch)),

    delist: (run) =>
      fenced(run, async () => {
        const { source, lease } = run
        const listed = events
          .find({ source, status: 'listed' }, { projection: { _id: 0, seq: 1 } })
          .hint('events_by_source')
        const missing: number[] = []
        for await (const { seq } of listed) if (!run.met.has(seq)) missing.push(seq)
        for (let i = 0; i < missing.length; i += DELIST_BATCH) {
          const batch = missing.slice(i, i + DELIST_BATCH)
          const now = new Date().toISOString()
          await growing(batch.length, () =>
            fenced(run, () =>
              events.updateMany(
                { source, status: 'listed', seq: { $in: batch }, token: { $lte: lease.token } },
                { $set: { status: 'delisted', delisted_at: now, updated_at: now, token: lease.token } }
              )
            )
          )
        }
        return missing.length
      })
  }
}
