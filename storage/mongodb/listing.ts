import { MongoNetworkError } from 'mongodb'
import type { Missing, OpenRun, Storage } from '../kit/contract.ts'
import { LeaseLost } from '../kit/errors.ts'
import { findKnown } from '../kit/pieces.ts'
import { type Database, READ } from './database.ts'

const DELIST_BATCH = 500
const LISTED = 'events_listed'

type Listing = Pick<Storage, 'meet' | 'findPieces' | 'missing' | 'delist'>

/** Which events a run met, and what becomes of the others. */
export function createListing({ events, fenced, growing }: Database): Listing {
  /** The ids of those that are listed now: the numbers may come from an earlier run. */
  async function listedOf(run: OpenRun, numbers: number[]): Promise<string[]> {
    const filter = { source: run.source, status: 'listed', seq: { $in: numbers } } as const
    const rows = await events.find(filter, { ...READ, projection: { _id: 1 } }).toArray()
    return rows.map(({ _id }) => _id)
  }

  return {
    meet: (run, ids) =>
      fenced(run, async () => {
        const filter = { _id: { $in: ids }, status: 'listed' } as const
        const rows = await events.find(filter, { ...READ, projection: { seq: 1 } }).toArray()
        for (const { seq } of rows) run.met.add(seq)
      }),

    findPieces: (run, pieces) =>
      fenced(run, async () => {
        const filter = { _id: { $in: pieces.flatMap(({ ids }) => ids) } }
        const rows = await events.find(filter, { ...READ, projection: { seq: 1, piece: 1, status: 1 } }).toArray()
        const known = new Map(
          rows.map(({ _id, seq, piece = null, status }) => [_id, { seq, piece, isListed: status === 'listed' }])
        )
        return findKnown(pieces, (id) => known.get(id))
      }),

    missing: (run, now) =>
      fenced(run, async () => {
        const missing: Missing = { all: [], future: [], listedFuture: 0 }
        const filter = { source: run.source, status: 'listed' } as const
        // None can be missing where as many are listed as were met; then there is nothing to read them for.
        const listed = await events.countDocuments(filter, { ...READ, hint: LISTED })
        if (listed === run.met.size) return missing
        const rows = events.find(filter, { projection: { _id: 0, seq: 1, starts_at: 1 }, hint: LISTED })
        for await (const { seq, starts_at } of rows) {
          const isFuture = starts_at > now
          if (isFuture) missing.listedFuture++
          if (run.met.has(seq)) continue
          missing.all.push(seq)
          if (isFuture) missing.future.push(seq)
        }
        return missing
      }),

    async delist(run, numbers) {
      const { lease } = run
      const missing = numbers.filter((seq) => !run.met.has(seq))
      let delisted = 0
      for (let i = 0; i < missing.length; i += DELIST_BATCH) {
        delisted += await fenced(run, async ({ inTime, bound }) => {
          const batch = await listedOf(run, missing.slice(i, i + DELIST_BATCH))
          if (batch.length === 0) return 0
          const now = run.lease.now().toISOString()
          const filter = { _id: { $in: batch }, token: { $lte: lease.token }, ...inTime }
          const end = { status: 'delisted', delisted_at: now, updated_at: now, token: lease.token } as const
          const update = () => events.updateMany(filter, { $set: end }, bound)
          return growing(batch.length, async () => {
            // The driver does not repeat what touches many; this does no harm a second time.
            const { matchedCount } = await update().catch((error) => {
              if (!(error instanceof MongoNetworkError)) throw error
              return update()
            })
            if (matchedCount < batch.length) throw new LeaseLost(lease.name)
            return batch.length
          })
        })
      }
      return delisted
    }
  }
}
