import type { OpenRun, Storage, WriteCounts, WriteOptions } from '../kit/contract.ts'
import { encodeContent, keepLast, nextLife } from '../kit/encode.ts'
import type { EventContent } from '../kit/event.ts'
import { judgeWrite } from '../kit/judge-write.ts'
import { noteRepeated } from '../kit/open-run.ts'
import { nextChange } from './change-numbers.ts'
import { type Database, READ } from './database.ts'
import { type EventDocument, toDocument } from './documents.ts'
import type { Fence, Write } from './fence.ts'
import { archive } from './versions.ts'

/** What is read of the events that are known, to find out what changes. */
const BEFORE = {
  fingerprint: 1,
  piece: 1,
  as_of: 1,
  status: 1,
  seq: 1,
  first_seen_at: 1,
  updated_at: 1,
  delisted_at: 1,
  ever_online: 1,
  version: 1
} as const
const NO_PIECES: ReadonlyMap<string, string> = new Map()

export function createWrite(database: Database): Pick<Storage, 'write'> {
  const { events, fenced, writeFenced, count, growing } = database

  async function keepFormer(run: OpenRun, replaced: Map<string, string>, fence: Fence): Promise<void> {
    if (replaced.size === 0) return
    const documents = await events.find({ _id: { $in: [...replaced.keys()] } }, READ).toArray()
    const former = documents.map((document) => ({ document, replaced_at: replaced.get(document._id)! }))
    await archive(database, run, former, fence)
  }

  async function write(
    run: OpenRun,
    batch: EventContent[],
    { listed = true, pieces = NO_PIECES, asOf = run.lease.token }: WriteOptions,
    fence: Fence
  ): Promise<WriteCounts> {
    const encoded = keepLast(batch).map(encodeContent)
    const counts = { created: 0, updated: 0, unchanged: 0, restored: 0, duplicates: batch.length - encoded.length }
    const ids = encoded.map(({ content }) => content.id)
    const documents = await events.find({ _id: { $in: ids } }, { ...READ, projection: BEFORE }).toArray()
    const found = new Map(documents.map((document) => [document._id, document]))
    const created = encoded.length - found.size
    let lastSeq = created === 0 ? 0 : (await count({ seq: created })).seq! - created
    const time = run.lease.now().toISOString()
    const { token } = run.lease
    const writes: Write<EventDocument>[] = []
    const met: number[] = []
    const replaced = new Map<string, string>()
    let changes = 0
    for (const one of encoded) {
      const { id } = one.content
      const before = found.get(id)
      const seq = before?.seq ?? ++lastSeq
      const piece = pieces.get(id)
      const isListed = before?.status === 'listed'
      const known = before && { fingerprint: before.fingerprint, isListed, asOf: before.as_of ?? 0 }
      const { isNewer, isSame, countsAs } = judgeWrite(known, one.fingerprint, { listed, asOf })
      if (run.met.has(seq)) {
        counts.duplicates++
        noteRepeated(run, id)
      } else counts[countsAs]++
      if (listed || isListed) met.push(seq)

      if (isSame) {
        if (isNewer || piece === undefined || before!.piece === piece) continue
        writes.push({ set: { _id: id, piece, token } })
        continue
      }
      changes++
      const now = notBefore(before?.updated_at, time)
      if (before !== undefined) replaced.set(id, now)
      const life = nextLife(one.content, before, { now, listed })
      const version = (before?.version ?? 0) + 1
      const changed = { version, run_id: run.id, change: nextChange(run) }
      writes.push({ replace: toDocument(one, life, { seq, piece: piece ?? null, as_of: asOf, token, ...changed }) })
    }
    await keepFormer(run, replaced, fence)
    if (writes.length > 0) await growing(changes, () => writeFenced(run, events, writes, fence))
    for (const seq of met) run.met.add(seq)
    return counts
  }

  return {
    write: (run, batch, options = {}) => fenced(run, (fence) => write(run, batch, options, fence))
  }
}

/** What became of an event became so no earlier than what it was before, whatever the clocks say. */
export function notBefore(former: string | undefined, now: string): string {
  return former !== undefined && former > now ? former : now
}
