import { MongoServerError } from 'mongodb'
import type { Agenda, Lease, OpenRun, Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { newRun } from '../kit/open-run.ts'
import { toPage } from '../kit/page.ts'
import type { Run } from '../kit/run.ts'
import { NO_COUNTS } from '../kit/run.ts'
import { finishCommand, pruneCommands } from './commands.ts'
import { type Database, DUPLICATE_KEY, READ } from './database.ts'
import { fromDocument, type RunDocument } from './documents.ts'
import { totalKey } from './run-totals.ts'
import { changesOf } from './totals.ts'

type History = Pick<Storage, 'run' | 'runs' | 'sources' | 'openRun' | 'closeRun' | 'prune'>

/** By the lease that each run had: neither the clocks of several hosts nor one millisecond can put them out of order. */
const NEWEST_RUN = { token: -1, _id: -1 } as const

/** Runs, and what is known of their sources. */
export function createHistory(database: Database): History {
  const { runs, sources, bodies, commands, answer, attempt, fenced, count } = database
  /** From here on no older run can write the source. */
  async function claimSource(source: string, lease: Lease): Promise<void> {
    const { token } = lease
    const fresh = { state: null, last_success_at: null }
    const older = { _id: source, token: { $lte: token } }
    await sources.updateOne(older, { $set: { token }, $setOnInsert: fresh }, { upsert: true }).catch(lostIfTaken(lease))
  }

  /** But `id`, which begins anew. */
  async function abandonRuns({ id, source, lease, started_at }: OpenRun): Promise<void> {
    const { token } = lease
    const open = { source, finished_at: null, token: { $lte: token } }
    const abandoned = await runs.find(open, READ).toArray()
    if (abandoned.length === 0) return
    const end = { outcome: 'aborted', reason: 'abandoned' } as const
    await runs.updateMany({ ...open, _id: { $ne: id } }, { $set: { finished_at: started_at, ...end } })
    const totals: Record<string, number> = {}
    for (const { _id, kind = 'fetch' } of abandoned) {
      if (_id === id) continue
      const key = totalKey({ kind, ...end })
      totals[key] = (totals[key] ?? 0) + 1
    }
    await sources.updateOne(
      { _id: source, token },
      {
        $set: { state: null },
        ...(Object.keys(totals).length > 0 && { $inc: totals })
      }
    )
    // They may have ended between writing events and counting them.
    await count({ revision: 1 })
  }

  return {
    run: (source, id) =>
      answer(async () => {
        const run = await runs.findOne({ _id: id, source }, READ)
        return run === null ? null : toRun(run)
      }),
    runs: (source, { limit, after }) =>
      answer(async () => {
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
    sources: () =>
      answer(async () => {
        const rows = await sources
          .find({}, { ...READ, projection: { snapshots: 0, totals: 0, changes: 0 } })
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

    openRun: (source, lease, kind = 'fetch', id) => {
      const run = newRun(source, lease, kind, id)
      return fenced(run, async () => {
        const { token } = lease
        await claimSource(source, lease)
        await abandonRuns(run)
        const kept = (await sources.findOne({ _id: source }, READ))?.snapshots ?? []
        await bodies.deleteMany({ source, run_id: { $nin: kept.map(({ run_id }) => run_id) }, token: { $lte: token } })
        const begun = { source, kind, started_at: run.started_at, token, counts: NO_COUNTS }
        const notEnded = { finished_at: null, outcome: null, reason: null, detail: null }
        const mine = { _id: run.id, token: { $lte: token } }
        await runs.replaceOne(mine, { ...begun, ...notEnded }, { upsert: true }).catch(lostIfTaken(lease))
        return run
      })
    },

    closeRun: (run, end) =>
      fenced(run, async () => {
        const finished_at = run.lease.now().toISOString()
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
          {
            $set: { token: lease.token, ...known },
            $inc: { [totalKey({ kind, outcome, reason })]: 1, ...changesOf(counts) }
          }
        )
        if (matchedCount === 0) throw new LeaseLost(lease.name)
        // It may have failed between writing events and counting them.
        if (!succeeded) await count({ revision: 1 })
        const closed = await runs.findOneAndUpdate(
          { _id: run.id },
          { $set: { finished_at, outcome, reason, detail, counts } },
          { returnDocument: 'after' }
        )
        await finishCommand(database, run.id, { outcome, detail })
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
        for (const source of await commands.distinct('source')) await pruneCommands(database, source, keep.runs)
      })
  }
}

export async function circuits({ sources }: Database): Promise<Agenda['circuits']> {
  const rows = await sources.find({}, { ...READ, projection: { circuit: 1 } }).toArray()
  return rows.map(({ _id, circuit = { failures: 0, retry_at: null } }) => ({ source: _id, circuit }))
}

/** An upsert that does not find what is there finds its `_id` taken. */
function lostIfTaken({ name }: Lease): (error: unknown) => never {
  return (error) => {
    throw error instanceof MongoServerError && error.code === DUPLICATE_KEY ? new LeaseLost(name) : error
  }
}

function toRun({ token: _token, kind = 'fetch', counts, ...run }: RunDocument): Run {
  return { ...fromDocument(run), kind, counts: { ...NO_COUNTS, ...counts } }
}
