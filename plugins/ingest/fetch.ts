import type { SourceAdapter } from '../../adapters/kit/contract.ts'
import type { Run, RunCounts } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { createBatches } from './batches.ts'
import { createBodyKeeper } from './body-keeper.ts'
import { CLOSED, nextCircuit } from './circuit.ts'
import { createKnownPieces } from './known-pieces.ts'
import { forgetValidators, sealState, unsealState } from './known-state.ts'
import { type DocumentEnd, readDocument } from './read-document.ts'
import { type Ending, type OpenedRun, type RunContext, recordRun, wrote } from './record-run.ts'
import { describeSuspicion, suspect, timeNow } from './vanish-guard.ts'

/**
 * Reads the source's feed into the storage: all that is new or changed is written, and what a whole snapshot lacks is
 * delisted. Never throws for what is wrong with the feed.
 * @returns the run as it was recorded
 * @throws what the storage throws when not even the end of the run could be recorded
 */
export async function fetchSource(source: Source, adapter: SourceAdapter, context: RunContext): Promise<Run> {
  const { storage } = context

  async function work({ opened, known, counts, log }: OpenedRun): Promise<Ending> {
    const { state, held } = unsealState(known.state, source)
    const batches = createBatches({ source, opened, counts, storage, held })
    const body = createBodyKeeper(opened, storage, source)
    const isFirst = known.snapshot_at === null
    const pieces = createKnownPieces({ source, opened, counts, storage, isFirst, isWaiting: batches.isWaiting })
    const options = { ...context, log, counts, state, pieces, keep: body.keep, take: batches.take }
    let end: DocumentEnd
    try {
      end = await readDocument(source, adapter, options).catch(async (error) => {
        // What was read before a fault is right, and is kept; only what is missing proves nothing.
        await batches.end({ brokeOff: true })
        throw error
      })
      await batches.end()
      if (end.unchanged) return { outcome: 'unchanged', circuit: CLOSED, suspicion: null }
      if (end.complete === undefined) throw new Error('the adapter ended without saying that the snapshot is complete')
      context.signal.throwIfAborted()
      await body.save(end.complete.digest ?? undefined, counts.bytes)
    } finally {
      body.close()
    }

    const missing = await storage.missing(opened, timeNow(context.lease))
    const suspicion = suspect(opened.id, missing, known.suspicion, source)
    const whole = { readWhole: true, circuit: CLOSED, suspicion }
    if (suspicion !== null) {
      const forget = wrote(counts) ? { state: forgetValidators(known.state) } : {}
      return { ...whole, ...describeSuspicion(suspicion), ...forget }
    }
    counts.delisted = await storage.delist(opened, missing.all)
    const outcome = isSame(counts, end.complete.digest, state?.digest) ? 'unchanged' : 'complete'
    return { ...whole, outcome, state: sealState(end.complete, source, [...opened.repeated]) }
  }
  return recordRun(source, 'fetch', context, work, (failure, known) => ({
    circuit: nextCircuit(known?.circuit ?? CLOSED, failure, source, { now: context.lease.now().getTime() })
  }))
}

function isSame(
  { created, updated, restored, delisted }: RunCounts,
  digest: string | null | undefined,
  before: string | null | undefined
): boolean {
  return created + updated + restored + delisted === 0 && digest !== undefined && digest === before
}
