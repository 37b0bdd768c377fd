import type { Missing, OpenRun, Storage } from '../kit/contract.ts'
import { findKnown } from '../kit/pieces.ts'
import { nextChange } from './change-numbers.ts'
import { type Database, READ } from './database.ts'
import type { EventDocument } from './documents.ts'
import { archive } from './versions.ts'
import { notBefore } from './write.ts'

const DELIST_BATCH = 500
const LISTED = 'events_listed'

type Listing = Pick<Storage, 'meet' | 'findPieces' | 'missing' | 'delist'>

/** Which events a run met, and what becomes of the others. */
export function createListing(database: Database): Listing {
  const { events, fenced, writeFenced, growing } = database

  /** Those that are listed now: the numbers may come from an earlier run. */
  async function listedOf(run: OpenRun, numbers: number[]): Promise<EventDocument[]> {
    const filter = { source: run.source, status: 'listed', seq: { $in: numbers } } as const
    return events.find(filter, READ).toArray()
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
      const { token } = run.lease
      const missing = numbers.filter((seq) => !run.met.has(seq))
      let delisted = 0
      for (let i = 0; i < missing.length; i += DELIST_BATCH) {
        delisted += await fenced(run, async (fence) => {
          const batch = await listedOf(run, missing.slice(i, i + DELIST_BATCH))
          if (batch.length === 0) return 0
          const time = run.lease.now().toISOString()
          const former = batch.map((document) => {
            return { document, replaced_at: notBefore(document.updated_at, time) }
          })
          await archive(database, run, former, fence)
          const writes = former.map(({ document: { _id, version }, replaced_at: now }) => {
            const changed = { version: version + 1, run_id: run.id, change: nextChange(run) }
            const end = { status: 'delisted', delisted_at: now, updated_at: now } as const
            return { set: { _id, ...end, ...changed, token } }
          })
          return growing(batch.length, async () => {
            await writeFenced(run, events, writes, fence)
            return batch.length
          })
        })
      }
      return delisted
    }
  }
}
