import type { SourceAdapter } from '../../adapters/kit/contract.ts'
import type { AdapterState } from '../../storage/kit/contract.ts'
import type { Outcome, Reason, Run, RunCounts } from '../../storage/kit/run.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { HINTS } from './reasons.ts'
import { type IngestContext, type Progress, readSnapshot, type Snapshot } from './snapshot.ts'

/**
 * One run: reads the snapshot, judges how that went, and records it.
 * @returns the run as it was recorded
 * @throws what the storage throws when not even the end of the run could be recorded
 */
export async function ingestSource(source: Source, adapter: SourceAdapter, context: IngestContext): Promise<Run> {
  const { storage, lease } = context
  const started = performance.now()
  const opened = await storage.openRun(source.name, lease)
  const log = context.log.child({ source: source.name, run: opened.id })
  const counts: RunCounts = { ...NO_COUNTS }
  const progress: Progress = { opened, counts, state: null }
  const result = await readSnapshot(source, adapter, { ...context, log }, progress)

  counts.duration = Math.round(performance.now() - started)
  const { outcome, reason, detail, state } = judge(result, counts, progress.state)
  const end = { outcome, reason, detail, counts, ...(state === undefined ? {} : { state }) }
  const run = await storage.closeRun(opened, end)
  const rejects =
    counts.rejected === 0 ? '' : `, with ${counts.rejected} rejects: /v1/api/sources/${source.name}/rejects`
  if (reason === null) log.info({ outcome, counts }, `the run succeeded${rejects}`)
  else log.warn({ outcome, reason, counts, hint: HINTS[reason] }, `the run did not succeed: ${detail}`)
  return run
}

function judge(
  result: Snapshot,
  counts: RunCounts,
  previous: AdapterState | null
): { outcome: Outcome; reason: Reason | null; detail: string | null; state?: AdapterState | null } {
  const wrote = counts.created + counts.updated + counts.restored + counts.delisted > 0
  // The storage no longer has what the kept state belongs to.
  const forget = wrote ? { state: null } : {}
  if (result.failure !== undefined) {
    const { reason, detail } = result.failure
    if (reason === 'aborted' || reason === 'lease_lost') return { outcome: 'aborted', reason, detail, ...forget }
    return { outcome: counts.seen > 0 ? 'partial' : 'failed', reason, detail, ...forget }
  }
  if (result.unchanged) return { outcome: 'unchanged', reason: null, detail: null }
  if (result.complete === undefined) {
    const detail = 'the adapter ended without saying that the snapshot is complete'
    return { outcome: counts.seen > 0 ? 'partial' : 'failed', reason: 'internal', detail, ...forget }
  }
  const { digest } = result.complete
  const same = !wrote && digest !== undefined && digest === previous?.digest
  return { outcome: same ? 'unchanged' : 'complete', reason: null, detail: null, state: result.complete }
}
