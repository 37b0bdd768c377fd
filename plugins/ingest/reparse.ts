import type { SourceAdapter } from '../../adapters/kit/contract.ts'
import type { Snapshot } from '../../storage/kit/contract.ts'
import type { Run } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { createBatches } from './batches.ts'
import { readKeptBody } from './body-keeper.ts'
import { forgetValidators } from './known-state.ts'
import { readDocument } from './read-document.ts'
import { type Ending, type OpenedRun, type RunContext, recordRun, wrote } from './record-run.ts'
import { describeSuspicion, suspect, timeNow } from './vanish-guard.ts'

/**
 * Reads the kept snapshots of a source again, oldest first, so that a mended parser repairs what a former one wrote.
 * Older ones say what events are, not which are listed: what was delisted since stays so, and what has its content from
 * a later fetch keeps it. Only the newest, where it is the one that the last whole run read, decides what is listed.
 * @returns a run for each snapshot, up to the one in which the signal aborted
 */
export async function reparseSource(source: Source, adapter: SourceAdapter, context: RunContext): Promise<Run[]> {
  const snapshots = await context.storage.snapshots(source.name)
  const runs: Run[] = []
  /** Of the last whole snapshot; once, since these runs forget it. */
  let current: string | null | undefined
  for (const snapshot of snapshots) {
    if (context.signal.aborted) break
    const run = await recordRun(source, 'reparse', context, (opened) => {
      current ??= opened.known.state?.digest
      const isCurrent = snapshot === snapshots.at(-1) && snapshot.digest === current
      return reparse(source, adapter, context, { ...opened, snapshot, isCurrent })
    })
    runs.push(run)
  }
  return runs
}

interface Reparsing extends OpenedRun {
  snapshot: Snapshot
  isCurrent: boolean
}

async function reparse(
  source: Source,
  adapter: SourceAdapter,
  context: RunContext,
  { opened, known, counts, log, snapshot, isCurrent }: Reparsing
): Promise<Ending> {
  const { storage, signal } = context
  const batches = createBatches({ source, opened, counts, storage, asOf: snapshot.token, isNewest: isCurrent })
  const replay = { bytes: readKeptBody(storage, snapshot.run_id), charset: snapshot.charset }
  const end = await readDocument(source, adapter, { ...context, log, counts, replay, take: batches.take })
  await batches.end()
  signal.throwIfAborted()
  if (end.complete === undefined) throw new Error('the adapter ended without saying that the snapshot is complete')
  // Events may now be as an older snapshot has them: the next fetch must read all of its own.
  if (!isCurrent) return { outcome: 'complete', ...(wrote(counts) && { state: forgetValidators(known.state) }) }
  const missing = await storage.missing(opened, timeNow(context.lease))
  const suspicion = suspect(opened.id, missing, null, source)
  if (suspicion !== null) return { ...describeSuspicion(suspicion), suspicion, state: forgetValidators(known.state) }
  counts.delisted = await storage.delist(opened, missing.all)
  return { outcome: 'complete' }
}
