import { MongoServerError } from 'mongodb'
import type { Lease, Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { newRun } from '../kit/open-run.ts'
import { toPage } from '../kit/page.ts'
import { rejectId } from '../kit/rejects.ts'
import type { Run } from '../kit/run.ts'
import { NO_COUNTS } from '../kit/run.ts'
import { type Database, DUPLICATE_KEY, READ } from './database.ts'
import { fromDocument, type RunDocument } from './documents.ts'

type History = Pick<Storage, 'runs' | 'rejects' | 'sources' | 'openRun' | 'writeRejects' | 'closeRun' | 'prune'>

/** By the lease that each run had: neither the clocks of several hosts nor one millisecond can put them out of order. */
const NEWEST_RUN = { token: -1, _id: -1 } as const

/** Runs, what they rejected, and what is known of their sources. */
export function createHistory({ runs, rejects, sources, events, attempt, fenced, count }: Database): History {
  /** From here on no older run can write the source. */
  async function claimSource(source: string, { name, token }: Lease): Promise<void> {
    const fresh = { state: null, last_success_at: null }
    try {
      const older = { _id: source, token: { $lte: token } }
      await sources.updateOne(older, { $set: { token }, $setOnInsert: fresh }, { upsert: true })
    } catch (error) {
      if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) throw new LeaseLost(name)
      throw error
    }
  }

  return {
    runs: (source, { limit, after }) =>
      attempt(async () => {
        const [token, id] = after ?? []
        const older = after && { $or: [{ token: { $lt: Number(token) } }, { token: Number(token), _id: { $lt: id! } }] }
        const rows = await runs
          .find({ source, ...older }, READ)
          .sort(NEWEST_RUN)
          .limit(limit + 1)
          .toArray()
        const { items, next } = toPage(rows, limit, (last) => [String(last.token), last._id])
        return { items: items.map(toRun), next }
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

    openRun: (source, lease) => {
      const run = newRun(source, lease)
      return fenced(run, async () => {
        await claimSource(source, lease)
        const end = { finished_at: run.started_at, outcome: 'aborted', reason: 'abandoned' } as const
        const open = { source, finished_at: null, token: { $lt: lease.token } }
        const { matchedCount } = await runs.updateMany(open, { $set: end })
        if (matchedCount > 0) {
          await sources.updateOne({ _id: source, token: lease.token }, { $set: { state: null } })
          // It may have ended between writing events and counting them.
          await count({ revision: 1 })
        }
        await runs.insertOne({
          _id: run.id,
          source,
          started_at: run.started_at,
          finished_at: null,
          outcome: null,
          reason: null,
          detail: null,
          counts: NO_COUNTS,
          token: lease.token
        })
        return run
      })
    },

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
        const filter = { _id: { $in: eventIds }, status: 'listed' } as const
        const still = await events.find(filter, { ...READ, projection: { seq: 1 } }).toArray()
        for (const { seq } of still) run.met.add(seq)
      }),

    closeRun: (run, end) =>
      fenced(run, async () => {
        const finished_at = new Date().toISOString()
        const { state, outcome, reason, detail, counts } = end
        const succeeded = outcome === 'complete' || outcome === 'unchanged'
        const known = { ...(state !== undefined && { state }), ...(succeeded && { last_success_at: finished_at }) }
        const { matchedCount } = await sources.updateOne(
          { _id: run.source, token: run.lease.token },
          { $set: { token: run.lease.token, ...known } }
        )
        if (matchedCount === 0) throw new LeaseLost(run.lease.name)
        // It may have failed between writing events and counting them.
        if (!succeeded) await count({ revision: 1 })
        const closed = await runs.findOneAndUpdate(
          { _id: run.id },
          { $set: { finished_at, outcome, reason, detail, counts } },
          { returnDocument: 'after' }
        )
        return toRun(closed!)
      }),

    prune: (keep) =>
      attempt(async () => {
        for await (const { _id: source } of sources.find({}, READ)) {
          const [run] = await runs.find({ source }, READ).sort(NEWEST_RUN).skip(keep.runs).limit(1).toArray()
          if (run !== undefined) await runs.deleteMany({ source, token: { $lte: run.token } })
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
      })
  }
}

function toRun({ token: _token, ...run }: RunDocument): Run {
  return fromDocument(run)
}
