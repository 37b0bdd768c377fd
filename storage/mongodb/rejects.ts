import type { OpenRun, Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { toPage } from '../kit/page.ts'
import { rejectId } from '../kit/rejects.ts'
import { type Database, READ } from './database.ts'
import { fromDocument } from './documents.ts'
import type { Fence } from './fence.ts'

type Rejects = Pick<Storage, 'rejects' | 'writeRejects' | 'deleteRejects'>

const LAST_SEEN = { last_seen_at: -1, _id: -1 } as const

export function createRejects({ rejects, answer, fenced, writeFenced }: Database): Rejects {
  async function remove({ source, lease }: OpenRun, ids: string[], { inTime, bound }: Fence): Promise<void> {
    if (ids.length === 0) return
    const filter = { _id: { $in: ids }, source }
    await rejects.deleteMany({ ...filter, ...inTime }, bound)
    if ((await rejects.countDocuments(filter, READ)) > 0) throw new LeaseLost(lease.name)
  }

  return {
    rejects: (source, { limit, after }) =>
      answer(async () => {
        const [last_seen_at, id] = (after ?? []) as [string, string]
        const older = after && { $or: [{ last_seen_at: { $lt: last_seen_at } }, { last_seen_at, _id: { $lt: id } }] }
        const rows = await rejects
          .find({ source, ...older }, READ)
          .sort(LAST_SEEN)
          .limit(limit + 1)
          .toArray()
        return toPage(
          rows.map((row) => ({ ...fromDocument(row), token: row.token ?? 0 })),
          limit,
          (last) => [last.last_seen_at, last.id]
        )
      }),

    writeRejects: (run, batch, most) =>
      fenced(run, async (fence) => {
        const { source, id: run_id } = run
        const { token } = run.lease
        const now = run.lease.now().toISOString()
        const unique = new Map(batch.map((reject) => [rejectId(source, reject), reject]))
        const found = await rejects.find({ _id: { $in: [...unique.keys()] } }, READ).toArray()
        const known = new Map(found.map((row) => [row._id, row]))
        const writes = [...unique].map(([_id, { reason, path, raw, event_id }]) => {
          const before = known.get(_id)
          const count = (before?.count ?? 0) + (before?.run_id === run_id ? 0 : 1)
          const life = { first_seen_at: before?.first_seen_at ?? now, last_seen_at: now, count, token }
          return { replace: { _id, source, run_id, reason, path, raw, event_id, ...life } }
        })
        await writeFenced(run, rejects, writes, fence)
        const beyond = await rejects
          .find({ source }, { ...READ, projection: { _id: 1 } })
          .sort(LAST_SEEN)
          .skip(most)
          .toArray()
        await remove(
          run,
          beyond.map(({ _id }) => _id),
          fence
        )
      }),

    deleteRejects: (run, ids) => fenced(run, (fence) => remove(run, ids, fence))
  }
}
