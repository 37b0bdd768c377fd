import type { Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { type Database, READ } from './database.ts'

type Snapshots = Pick<Storage, 'writeBody' | 'keepSnapshot' | 'snapshots' | 'readBody'>

/** The bodies of a source's last whole documents, in parts. */
export function createSnapshots({ bodies, sources, attempt, fenced, writeFenced }: Database): Snapshots {
  return {
    writeBody: (run, part, data) =>
      fenced(run, async (fence) => {
        const { id: run_id, source } = run
        const { token } = run.lease
        const document = { _id: bodyId(run_id, part), source, run_id, token, size: data.length, data }
        await writeFenced(run, bodies, [{ replace: document }], fence)
      }),

    keepSnapshot: (run, snapshot, keep) =>
      fenced(run, async ({ inTime }) => {
        const { id: run_id, source } = run
        const { name, token } = run.lease
        const drop = (ids: string[]) => bodies.deleteMany({ source, run_id: { $in: ids } })
        const parts = await bodies.find({ source, run_id }, { ...READ, projection: { size: 1 } }).toArray()
        const size = parts.reduce((sum, part) => sum + part.size, 0)
        const isKept = snapshot !== null && size <= keep.bytes
        const mine = isKept ? [{ run_id, token, ...snapshot, size, kept_at: run.lease.now().toISOString() }] : []
        const known = [...((await sources.findOne({ _id: source }, READ))?.snapshots ?? []), ...mine]
        const kept = known.slice(firstKept(known, keep))
        const mayWrite = { _id: source, token, ...inTime }
        const { matchedCount } = await sources.updateOne(mayWrite, { $set: { snapshots: kept } })
        if (matchedCount === 0) throw new LeaseLost(name)
        const gone = known.filter((one) => !kept.includes(one)).map((one) => one.run_id)
        await drop(isKept ? gone : [...gone, run_id])
      }),

    snapshots: (source) => attempt(async () => (await sources.findOne({ _id: source }, READ))?.snapshots ?? []),

    async *readBody(runId) {
      for (let part = 0; ; part++) {
        const options = { ...READ, promoteBuffers: true }
        const row = await attempt(() => bodies.findOne({ _id: bodyId(runId, part) }, options))
        if (row === null) return
        yield row.data
      }
    }
  }
}

/** @param snapshots oldest first */
function firstKept(snapshots: { size: number }[], keep: { count: number; bytes: number }): number {
  let bytes = 0
  const beyond = snapshots.findLastIndex(({ size }, i) => {
    bytes += size
    return snapshots.length - i > keep.count || bytes > keep.bytes
  })
  return beyond + 1
}

function bodyId(runId: string, part: number): string {
  return `${runId}/${part}`
}
