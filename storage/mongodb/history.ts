import { MongoServerError } from 'mongodb'
import type { Lease, Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { newRun } from '../kit/open-run.ts'
import { toPage } from '../kit/page.ts'
import type { Run } from '../kit/run.ts'
import { NO_COUNTS } from '../kit/run.ts'
import { type Database, DUPLICATE_KEY, READ } from './database.ts'
import { fromDocument, type RunDocument } from './documents.ts'
import { toTotals, totalKey } from './run-totals.ts'

type History = Pick<Storage, 'runs' | 'runTotals' | 'sources' | 'openRun' | 'closeRun' | 'prune'>

/** By the lease that each run had: neither the clocks of several hosts nor one millisecond can put them out of order. */
const NEWEST_RUN = { token: -1, _id: -1 } as const

/** Runs, and what is known of their sources. */
export function createHistory({ runs, sources, bodies, attempt, fenced, count }: Database): History {
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

  async function abandonRuns(source: string, token: number, finished_at: string): Promise<void> {
    const open = { source, finished_at: null, token: { $lte: token } }
    const abandoned = await runs.find(open, READ).toArray()
    if (abandoned.length === 0) return
    const end = { outcome: 'aborted', reason: 'abandoned' } as const
    await runs.updateMany(open, { $set: { finished_at, ...end } })
    const totals: Record<string, number> = {}
    for (const { kind = 'fetch' } of abandoned) {
      const key = totalKey({ kind, ...end })
      totals[key] = (totals[key] ?? 0) + 1
    }
    await sources.updateOne({ _id: source, token }, { $set: { state: null }, $inc: totals })
    // They may have ended between writing events and counting them.
    await count({ revision: 1 })
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
    runTotals: () =>
      attempt(async () => {
        const rows = await sources.find({}, { ...READ, projection: { totals: 1 } }).toArray()
        return rows.flatMap(({ _id, totals = {} }) => toTotals(_id, totals))
      }),
    sources: () =>
      attempt(async () => {
        const rows = await sources
          .find({}, { ...READ, projection: { snapshots: 0, totals: 0 } })
          .sort({ _id: 1 })
          .toArray()
        return rows.map(({ _id, state, last_success_at, snapshot_at, circuit, suspicion }) => ({
          source: _id,
          state,
          last_success_at,
          snapshot_at: snapshot_at ?? null,
          circuit: circuit ?? { failures: 0, retry_at: null },
          suspicion: suspicion ?? null
        }))
      }),

    openRun: (source, lease, kind = 'fetch') => {
      const run = newRun(source, lease, kind)
      return fenced(run, async () => {
        const { token } = lease
        await claimSource(source, lease)
        await abandonRuns(source, token, run.started_at)
        const kept = (await sources.findOne({ _id: source }, READ))?.snapshots ?? []
        await bodies.deleteMany({ source, run_id: { $nin: kept.map(({ run_id }) => run_id) }, token: { $lte: token } })
        await runs.insertOne({
          _id: run.id,
          source,
          kind,
          started_at: run.started_at,
          finished_at: null,
          outcome: null,
          reason: null,
          detail: null,
          counts: NO_COUNTS,
          token
        })
        return run
      })
    },

    closeRun: (run, end) =>
      fenced(run, async () => {
        const finished_at = new Date().toISOString()
        const { kind, source, lease } = run
        const { state, circuit, suspicion, outcome, reason, detail, counts } = end
        const succeeded = outcome === 'complete' || outcome === 'unchanged'
        const known = {
          ...(state !== undefined && { state }),
          ...(circuit !== undefined && { circuit }),
          ...(suspicion !== undefined && { suspicion }),
          ...(kind === 'fetch' && end.readWhole && { snapshot_at: run.started_at }),
          ...(kind === 'fetch' && succeeded && { last_success_at: finished_at })
        }
        const { matchedCount } = await sources.updateOne(
          { _id: source, token: lease.token },
          { $set: { token: lease.token, ...known }, $inc: { [totalKey({ kind, outcome, reason })]: 1 } }
        )
        if (matchedCount === 0) throw new LeaseLost(lease.name)
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
        for await (const { _id: source } of sources.find({}, { ...READ, projection: { _id: 1 } })) {
          const [run] = await runs.find({ source }, READ).sort(NEWEST_RUN).skip(keep.runs).limit(1).toArray()
          if (run === undefined) continue
          const { _id, token } = run
          await runs.deleteMany({ source, $or: [{ token: { $lt: token } }, { token, _id: { $lte: _id } }] })
        }
      })
  }
}

function toRun({ token: _token, kind = 'fetch', counts, ...run }: RunDocument): Run {
  return { ...fromDocument(run), kind, counts: { ...NO_COUNTS, ...counts } }
}
