import { randomUUIDv7 } from 'node:crypto'
import { type AnyBulkWriteOperation, type Db, MongoBulkWriteError, type MongoClient, MongoError } from 'mongodb'
import { Bitmap } from '../kit/bitmap.ts'
import type { EventPage, OpenRun, PageRequest, Storage, WriteCounts } from '../kit/contract.ts'
import { NO_COUNTS } from '../kit/counts.ts'
import { encodeContent, keepLast, listedLife } from '../kit/encode.ts'
import { LeaseLost, StorageUnavailable, StorageUnusable } from '../kit/errors.ts'
import type { EventContent } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { toPage } from '../kit/page.ts'
import { rejectId } from '../kit/rejects.ts'
import { streamPages } from '../kit/stream.ts'
import {
  type EventDocument,
  fromDocument,
  INTERNAL,
  type LeaseDocument,
  type MetaDocument,
  type RejectDocument,
  type RunDocument,
  type SourceDocument,
  toDocument
} from './documents.ts'
import { releaseLease, renewLease, takeLease } from './leases.ts'
import { toFilter } from './query.ts'

const SCHEMA_VERSION = 1
const READ = { maxTimeMS: 10_000 }
const DELIST_BATCH = 500
const DUPLICATE_KEY = 11000

export function createStorage(client: MongoClient, db: Db): Storage {
  const events = db.collection<EventDocument>('events')
  const runs = db.collection<RunDocument>('runs')
  const rejects = db.collection<RejectDocument>('rejects')
  const sources = db.collection<SourceDocument>('sources')
  const leases = db.collection<LeaseDocument>('leases')
  const meta = db.collection<MetaDocument>('meta')

  /** Every call goes through here: what the driver throws becomes an error of the contract. */
  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      // A client whose first connection failed stays shut until it is told to connect again; on another this is nothing.
      await client.connect()
      return await work()
    } catch (error) {
      if (!(error instanceof MongoError)) throw error
      throw new StorageUnavailable(`MongoDB: ${error.message}`, { cause: error })
    }
  }
  /**
   * Only the holder of the newest token gets past this. What it then writes is fenced once more, event by event, by the
   * token that each one carries: between the two a successor may have come.
   */
  const fenced = <T>({ lease }: OpenRun, work: () => Promise<T>): Promise<T> =>
    attempt(async () => {
      const { name, holder, token } = lease
      if ((await leases.findOne({ _id: name, holder, token }, READ)) === null) throw new LeaseLost(name)
      return work()
    })
  const count = (changes: { revision?: number; seq?: number }) =>
    meta.findOneAndUpdate({ _id: 'counters' }, { $inc: changes }, { returnDocument: 'after' })
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
    let seq = created === 0 ? 0 : (await count({ seq: created }))!.seq! - created
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

    runs: (source, { limit, after }) =>
      attempt(async () => {
        const filter = after === undefined ? { source } : { source, _id: { $lt: after[0]! } }
        const rows = await runs
          .find(filter, READ)
          .sort({ _id: -1 })
          .limit(limit + 1)
          .toArray()
        return toPage(
          rows.map((row) => fromDocument(row)),
          limit,
          (last) => [last.id]
        )
      }),
    rejects: (source, { limit, after }) =>
      attempt(async () => {
        const [last_seen_at, id] = (after ?? []) as [string, string]
        const older = after && { $or: [{ last_seen_at: { $lt: last_seen_at } }, { last_seen_at, _id: { $lt: id } }] }
        const rows = await rejects
          .find({ source, ...older }, READ)
          .sort({ last_seen_at: -1, _id: -1 })
          .limit(limit + 1)
          .toArray()
        return toPage(
          rows.map((row) => fromDocument(row)),
          limit,
          (last) => [last.last_seen_at, last.id]
        )
      }),
    sources: () =>
      attempt(async () => {
        const rows = await sources.find({}, READ).sort({ _id: 1 }).toArray()
        return rows.map(({ _id, state, last_success_at }) => ({ source: _id, state, last_success_at }))
      }),

    takeLease: (name, holder, ms) => attempt(() => takeLease(leases, name, holder, ms)),
    renewLease: (lease, ms) => attempt(() => renewLease(leases, lease, ms)),
    releaseLease: (lease) => attempt(() => releaseLease(leases, lease)),

    openRun: (source, lease) => {
      const run: OpenRun = {
        id: randomUUIDv7(),
        source,
        lease,
        started_at: new Date().toISOString(),
        met: new Bitmap()
      }
      return fenced(run, async () => {
        await sources.updateOne(
          { _id: source },
          { $setOnInsert: { state: null, last_success_at: null } },
          { upsert: true }
        )
        const end = { finished_at: run.started_at, outcome: 'aborted', reason: 'abandoned' } as const
        const { matchedCount } = await runs.updateMany({ source, finished_at: null }, { $set: end })
        // It may have ended between writing events and counting them.
        if (matchedCount > 0) await count({ revision: 1 })
        await runs.insertOne({
          _id: run.id,
          source,
          started_at: run.started_at,
          finished_at: null,
          outcome: null,
          reason: null,
          detail: null,
          counts: NO_COUNTS
        })
        return run
      })
    },

    write: (run, batch) => fenced(run, () => write(run, batch)),

    writeRejects: (run, batch) =>
      fenced(run, async () => {
        const now = new Date().toISOString()
        const ids = batch.map((reject) => rejectId(run.source, reject))
        const known = new Map((await rejects.find({ _id: { $in: ids } }, READ).toArray()).map((row) => [row._id, row]))
        const operations = batch.map((reject, i) => {
          const before = known.get(ids[i]!)
          const count = (before?.count ?? 0) + (before?.run_id === run.id ? 0 : 1)
          const life = { first_seen_at: before?.first_seen_at ?? now, last_seen_at: now, count }
          const replacement = { source: run.source, run_id: run.id, ...reject, ...life }
          return { replaceOne: { filter: { _id: ids[i]! }, replacement, upsert: true } }
        })
        if (operations.length > 0) await rejects.bulkWrite(operations)
        const eventIds = batch.map((reject) => reject.event_id).filter((id) => id !== null)
        const still = await events.find({ _id: { $in: eventIds } }, { ...READ, projection: { seq: 1 } }).toArray()
        for (const { seq } of still) run.met.add(seq)
      }),

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
      }),

    closeRun: (run, end) =>
      fenced(run, async () => {
        const finished_at = new Date().toISOString()
        const { state, outcome, reason, detail, counts } = end
        const succeeded = outcome === 'complete' || outcome === 'unchanged'
        const known = { ...(state && { state }), ...(succeeded && { last_success_at: finished_at }) }
        if (Object.keys(known).length > 0) await sources.updateOne({ _id: run.source }, { $set: known })
        const closed = await runs.findOneAndUpdate(
          { _id: run.id },
          { $set: { finished_at, outcome, reason, detail, counts } },
          { returnDocument: 'after' }
        )
        return fromDocument(closed!)
      }),

    prune: (keep) =>
      attempt(async () => {
        for await (const { _id: source } of sources.find({}, READ)) {
          const [run] = await runs.find({ source }, READ).sort({ _id: -1 }).skip(keep.runs).limit(1).toArray()
          if (run !== undefined) await runs.deleteMany({ source, _id: { $lte: run._id } })
          const old = await rejects
            .find({ source }, { ...READ, projection: { last_seen_at: 1 } })
            .sort({ last_seen_at: -1, _id: -1 })
            .skip(keep.rejects)
            .limit(1)
            .toArray()
          for (const { last_seen_at, _id } of old) {
            await rejects.deleteMany({
              source,
              $or: [{ last_seen_at: { $lt: last_seen_at } }, { last_seen_at, _id: { $lte: _id } }]
            })
          }
        }
      }),

    ping: () =>
      attempt(async () => {
        const schema = await meta.findOne({ _id: 'schema' }, READ)
        if (schema?.version !== SCHEMA_VERSION)
          throw new StorageUnavailable('MongoDB: the database is not migrated yet')
      }),

    migrate: () =>
      attempt(async () => {
        const version = (await meta.findOne({ _id: 'schema' }, READ))?.version ?? 0
        if (version > SCHEMA_VERSION) {
          throw new StorageUnusable(
            `the database ${db.databaseName} was written by a newer Event Service (schema ${version}, this one knows ` +
              `${SCHEMA_VERSION}): run that version, or set [mongodb] database to another one`
          )
        }
        if (version === SCHEMA_VERSION) return
        await events.createIndexes([
          // Every field that a filter reads, so that a document is read only when it is in the answer.
          {
            name: 'events_by_start',
            key: { ever_online: 1, starts_at: 1, _id: 1, end: 1, start_date: 1, local_end: 1, sell_mode: 1, source: 1 }
          },
          { name: 'events_by_source', key: { source: 1, status: 1, seq: 1 } }
        ])
        await runs.createIndexes([{ name: 'runs_by_source', key: { source: 1, _id: -1 } }])
        await rejects.createIndexes([{ name: 'rejects_by_source', key: { source: 1, last_seen_at: -1, _id: -1 } }])
        await meta.updateOne({ _id: 'counters' }, { $setOnInsert: { revision: 0, seq: 0 } }, { upsert: true })
        await meta.updateOne({ _id: 'schema' }, { $set: { version: SCHEMA_VERSION } }, { upsert: true })
      }),

    close: () => client.close()
  }
}
