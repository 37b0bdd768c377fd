import { type AnyBulkWriteOperation, MongoBulkWriteError, MongoNetworkError } from 'mongodb'
import type { EventPage, OpenRun, PageRequest, Storage, WriteCounts } from '../kit/contract.ts'
import { encodeContent, keepLast, listedLife } from '../kit/encode.ts'
import { LeaseLost } from '../kit/errors.ts'
import type { EventContent } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { toPage } from '../kit/page.ts'
import { streamPages } from '../kit/stream.ts'
import { type Database, DUPLICATE_KEY, type InTime, READ } from './database.ts'
import { type EventDocument, fromDocument, INTERNAL, toDocument } from './documents.ts'
import { toFilter } from './query.ts'

const DELIST_BATCH = 500

type Events = Pick<Storage, 'find' | 'stream' | 'get' | 'revision' | 'write' | 'delist'>

export function createEvents({ events, meta, attempt, fenced, count }: Database): Events {
  /** After the writes, even those of a batch that failed half-way: who read the old revision read the old events. */
  async function growing<T>(changes: number, work: () => Promise<T>): Promise<T> {
    const result = await work().catch(async (error) => {
      await count({ revision: changes }).catch(() => undefined)
      throw error
    })
    await count({ revision: changes })
    return result
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

  async function write(run: OpenRun, batch: EventContent[], inTime: InTime): Promise<WriteCounts> {
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
      const older = { _id: one.content.id, token: { $lte: token } }
      operations.push(
        before === undefined
          ? { replaceOne: { filter: older, replacement, upsert: true } }
          : { replaceOne: { filter: { ...older, ...inTime }, replacement } }
      )
    }
    if (operations.length > 0) await growing(operations.length, () => writeFenced(operations, run))
    for (const number of met) run.met.add(number)
    return counts
  }
  /** A newer token or an expired lease: a replacement finds nothing, an upsert finds an `_id` that is taken. */
  async function writeFenced(operations: AnyBulkWriteOperation<EventDocument>[], { lease }: OpenRun): Promise<void> {
    const { matchedCount, upsertedCount } = await events.bulkWrite(operations, { ordered: false }).catch((error) => {
      const isTaken =
        error instanceof MongoBulkWriteError && [error.writeErrors].flat().some(({ code }) => code === DUPLICATE_KEY)
      throw isTaken ? new LeaseLost(lease.name) : error
    })
    if (matchedCount + upsertedCount < operations.length) throw new LeaseLost(lease.name)
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

    write: (run, batch) => fenced(run, (inTime) => write(run, batch, inTime)),

    delist: (run) =>
      fenced(run, async () => {
        const { source } = run
        const { token } = run.lease
        const listed = events
          .find({ source, status: 'listed' }, { projection: { _id: 0, seq: 1 } })
          .hint('events_by_source')
        const missing: number[] = []
        const listedCount = await events.countDocuments(
          { source, status: 'listed' },
          { ...READ, hint: 'events_by_source' }
        )
        if (listedCount === run.met.size) return 0
        for await (const { seq } of listed) if (!run.met.has(seq)) missing.push(seq)
        for (let i = 0; i < missing.length; i += DELIST_BATCH) {
          const batch = missing.slice(i, i + DELIST_BATCH)
          const now = new Date().toISOString()
          await growing(batch.length, () =>
            fenced(run, async (inTime) => {
              const filter = { source, seq: { $in: batch }, token: { $lte: token }, ...inTime }
              const end = { status: 'delisted', delisted_at: now, updated_at: now, token } as const
              const update = () => events.updateMany(filter, { $set: end })
              // The driver does not repeat what touches many; this does no harm a second time.
              const { matchedCount } = await update().catch((error) => {
                if (!(error instanceof MongoNetworkError)) throw error
                return update()
              })
              if (matchedCount < batch.length) throw new LeaseLost(run.lease.name)
            })
          )
        }
        return missing.length
      })
  }
}
