import type { SourceAdapter } from '../../adapters/kit/contract.ts'
import type { Snapshot } from '../../storage/kit/contract.ts'
import type { Run } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { createBatches } from './batches.ts'
import { readKeptBody } from './body-keeper.ts'
import { readKnown } from './known-state.ts'
import { readDocument } from './read-document.ts'
import { type Ending, type RunContext, recordRun, wrote } from './record-run.ts'
import { suspect, timeNow } from './vanish-guard.ts'

/**
 * Reads the kept snapshots of a source again, oldest first, so that a mended parser repairs what a former one wrote.
 * Older ones say what events are, not which are listed: what was delisted since stays so. Only the newest, where it is
 * the one that the last whole run read, decides that.
 * @returns a run for each snapshot, up to the one in which the signal aborted
 */
export async function reparseSource(source: Source, adapter: SourceAdapter, context: RunContext): Promise<Run[]> {
  const snapshots = await context.storage.snapshots(source.name)
  const { state } = await readKnown(context.storage, source)
  const runs: Run[] = []
  for (const snapshot of snapshots) {
    if (context.signal.aborted) break
    const isCurrent = snapshot === snapshots.at(-1) && snapshot.digest === state?.digest
    runs.push(await reparse(source, adapter, context, { snapshot, isCurrent }))
  }
  return runs
}

function reparse(
  source: Source,
  adapter: SourceAdapter,
  context: RunContext,
  { snapshot, isCurrent }: { snapshot: Snapshot; isCurrent: boolean }
): Promise<Run> {
  const { storage, signal } = context
  return recordRun(source, 'reparse', context, async ({ opened, counts, log }): Promise<Ending> => {
    const batches = createBatches({ source, opened, counts, storage, listed: isCurrent })
    const end = await readDocument(source, adapter, {
      ...context,
      log,
      counts,
      replay: { bytes: readKeptBody(storage, snapshot.run_id), charset: snapshot.charset },
      take: batches.take
    })
    await batches.end()
    signal.throwIfAborted()
    if (end.complete === undefined) throw new Error('the adapter ended without saying that the snapshot is complete')
    // Events may now be as an older snapshot has them: the next fetch must read all of its own.
    if (!isCurrent) return { outcome: 'complete', ...(wrote(counts) && { state: null }) }
    const missing = await storage.missing(opened, timeNow())
    const suspicion = suspect(opened.id, missing, null, source)
    if (suspicion === null) counts.delisted = await storage.delist(opened, missing.all)
    return { outcome: 'complete' }
  })
}
