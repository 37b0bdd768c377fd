import { MongoServerError } from 'mongodb'
import type { Agenda, Lease, OpenRun, Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { newRun } from '../kit/open-run.ts'
import { toPage } from '../kit/page.ts'
import type { Run } from '../kit/run.ts'
import { NO_COUNTS } from '../kit/run.ts'
import { changesBefore } from './change-numbers.ts'
import { endForgottenCommands, finishCommand, pruneCommands } from './commands.ts'
import { type Database, DUPLICATE_KEY, READ } from './database.ts'
import { fromDocument, type RunDocument, type RunEnded } from './documents.ts'
import type { InTime } from './fence.ts'
import { totalKey } from './run-totals.ts'
import { changesOf } from './totals.ts'
import { forget } from './versions.ts'

type History = Pick<Storage, 'run' | 'runs' | 'sources' | 'openRun' | 'closeRun' | 'prune'>

/** By the lease that each run had: neither the clocks of several hosts nor one millisecond can put them out of order. */
export const NEWEST_RUN = { token: -1, _id: -1 } as const

type Ending = Pick<OpenRun, 'id' | 'source' | 'kind' | 'lease'>

/** Runs, and what is known of their sources. */
export function createHistory(database: Database): History {
  const { runs, sources, bodies, commands, answer, attempt, fenced, writeFenced, count } = database

  /** From here on no older run can write the source. */
  async function claimSource(source: string, lease: Lease): Promise<void> {
    const { token } = lease
    const fresh = { state: null, last_success_at: null }
    const older = { _id: source, token: { $lte: token } }
    await sources.updateOne(older, { $set: { token }, $setOnInsert: fresh }, { upsert: true }).catch(lostIfTaken(lease))
  }

  /**
   * Ends a run once, however often it is tried: what the source knows changes together with the note which run ended how, and
   * a run that the note is of, but that is open still, is only closed as the note says.
   */
  async function finish(
    { id, source, kind, lease: { name, token } }: Ending,
    end: RunEnded,
    known: object,
    inTime: InTime
  ): Promise<RunDocument> {
    const { matchedCount } = await sources.updateOne(
      { _id: source, token, 'ended.run_id': { $ne: id }, ...inTime },
      {
        $set: { ...known, ended: { run_id: id, ...end } },
        $inc: { [totalKey({ kind, ...end })]: 1, ...changesOf(end.counts) }
      }
    )
    const ended = matchedCount > 0 ? end : await endOf({ _id: source, token }, id)
    const closed = ended && (await runs.findOneAndUpdate({ _id: id }, { $set: ended }, { returnDocument: 'after' }))
    if (closed === null) throw new LeaseLost(name)
    return closed
  }

  async function endOf(source: { _id: string; token?: number }, id: string): Promise<RunEnded | null> {
    const { ended } = (await sources.findOne(source, { ...READ, projection: { ended: 1 } })) ?? {}
    if (ended?.run_id !== id) return null
    const { run_id: _run_id, ...end } = ended
    return end
  }

  /** Its end may be noted and counted, and the process gone before the run itself said so. */
  async function withEnd(run: RunDocument): Promise<RunDocument> {
    return run.outcome === null ? { ...run, ...(await endOf({ _id: run.source }, run._id)) } : run
  }

  /** All but that of `run`, which begins anew. */
  async function abandonRuns({ id, source, lease, started_at: finished_at }: OpenRun, inTime: InTime): Promise<void> {
    const { token } = lease
    const open = await runs.find({ source, finished_at: null, token: { $lte: token } }, READ).toArray()
    if (open.length === 0) return
    // What they wrote may not be what the state belongs to; with an end that is noted came its own.
    const forgotten = { state: null }
    for (const { _id, kind = 'fetch' } of open) {
      const end = { finished_at, outcome: 'aborted', reason: 'abandoned', detail: null, counts: NO_COUNTS } as const
      if (_id === id) await sources.updateOne({ _id: source, token, ...inTime }, { $set: forgotten })
      else await finish({ id: _id, source, kind, lease }, end, forgotten, inTime)
    }
    // They may have ended between writing events and counting them.
    await count({ revision: 1 })
  }

  return {
    run: (source, id) =>
      answer(async () => {
        const run = await runs.findOne({ _id: id, source }, READ)
        return run && toRun(await withEnd(run))
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
        return { items: (await Promise.all(items.map(withEnd))).map(toRun), next }
      }),
    sources: () =>
      answer(async () => {
        const rows = await sources
          .find({}, { ...READ, projection: { snapshots: 0, totals: 0, changes: 0, ended: 0 } })
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
      return fenced(run, async (fence) => {
        const { token } = lease
        await claimSource(source, lease)
        await abandonRuns(run, fence.inTime)
        run.changes = await changesBefore(database, run)
        const kept = (await sources.findOne({ _id: source }, READ))?.snapshots ?? []
        await bodies.deleteMany({ source, run_id: { $nin: kept.map(({ run_id }) => run_id) }, token: { $lte: token } })
        const opened = { started_at: run.started_at, finished_at: null, outcome: null, reason: null, detail: null }
        const document = { _id: run.id, source, kind, ...opened, counts: NO_COUNTS, token }
        await writeFenced(run, runs, [{ replace: document }], fence)
        return run
      })
    },

    closeRun: (run, end) =>
      fenced(run, async ({ inTime }) => {
        const finished_at = run.lease.now().toISOString()
        const { kind } = run
        const { state, circuit, suspicion, outcome, reason, detail, counts } = end
        const succeeded = outcome === 'complete' || outcome === 'unchanged'
        const known = {
          ...(state !== undefined && { state }),
          ...(circuit !== undefined && { circuit }),
          ...(suspicion !== undefined && { suspicion }),
          ...(kind === 'fetch' && end.readWhole && { snapshot_at: run.started_at }),
          ...(kind === 'fetch' && succeeded && { last_success_at: finished_at })
        }
        const closed = await finish(run, { finished_at, outcome, reason, detail, counts }, known, inTime)
        // It may have failed between writing events and counting them.
        if (!succeeded) await count({ revision: 1 })
        await finishCommand(database, run.id, { outcome, detail })
        return toRun(closed)
      }),

    prune: (keep) =>
      attempt(async () => {
        await endForgottenCommands(database)
        for await (const { _id: source } of sources.find({}, { ...READ, projection: { _id: 1 } })) {
          const [run] = await runs.find({ source }, READ).sort(NEWEST_RUN).skip(keep.runs).limit(1).toArray()
          if (run === undefined) continue
          const { _id, token } = run
          await runs.deleteMany({ source, $or: [{ token: { $lt: token } }, { token, _id: { $lte: _id } }] })
        }
        for (const source of await commands.distinct('source')) await pruneCommands(database, source, keep.runs)
        if (keep.historySince !== undefined) await forget(database, keep.historySince)
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
