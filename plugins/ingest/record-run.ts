import type { OpenRun, RunEnd, Storage } from '../../storage/kit/contract.ts'
import type { Reason, Run, RunCounts, RunKind } from '../../storage/kit/run.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import type { HttpClient } from '../http.ts'
import type { JobContext } from '../jobs/kit/contract.ts'
import type { Source } from '../sources.ts'
import { forgetValidators, type Known, readKnown } from './known-state.ts'
import { explainFailure, type Failure, HINTS } from './reasons.ts'
import { stillMissing } from './vanish-guard.ts'

export interface RunContext extends Omit<JobContext, 'stop'> {
  storage: Storage
  http: HttpClient
  /** Of the command that it is done for: the run has the same. */
  id?: string
}

/** How a run's work ended well. */
export type Ending = Pick<RunEnd, 'outcome' | 'state' | 'circuit' | 'suspicion' | 'readWhole'> &
  Partial<Pick<RunEnd, 'reason' | 'detail'>>

export interface OpenedRun {
  opened: OpenRun
  /** What was known of the source when the run was opened. */
  known: Known
  /** To be filled in. */
  counts: RunCounts
  log: JobContext['log']
}

/** What to record besides of a failure. */
type AfterFailure = (failure: Failure, known: Known | undefined) => Pick<RunEnd, 'circuit'>

/** Opens a run, does its work, and records and logs how it ended. Throws only what keeps it from being recorded. */
export async function recordRun(
  source: Source,
  kind: RunKind,
  context: RunContext,
  work: (run: OpenedRun) => Promise<Ending>,
  afterFailure?: AfterFailure
): Promise<Run> {
  const started = performance.now()
  const opened = await context.storage.openRun(source.name, context.lease, kind, context.id)
  const log = context.log.child({ source: source.name, run: opened.id })
  const counts: RunCounts = { ...NO_COUNTS }
  let end: Omit<RunEnd, 'counts'>
  let known: Known | undefined
  try {
    // Not before it is open: that forgets what a run that was killed has made wrong.
    known = await readKnown(context.storage, source)
    end = { reason: null, detail: null, ...(await work({ opened, known, counts, log })) }
  } catch (error) {
    const failure = explainFailure(error, context.signal)
    if (failure.reason === 'internal') log.error({ err: error }, 'a fault in the adapter or the pipeline')
    end = endOfFailure(failure, { counts, known }, afterFailure?.(failure, known))
  }
  // What has been seen again is not missing, whatever became of the run; unless it was seen in an old snapshot.
  if (known?.suspicion && end.suspicion === undefined && kind !== 'reparse') {
    end.suspicion = stillMissing(known.suspicion, opened.met)
  }
  counts.duration = Math.round(performance.now() - started)
  const run = await context.storage.closeRun(opened, { ...end, counts })
  logEnd(run, end.circuit?.retry_at ?? null, log)
  return run
}

/** Whether a run may have changed any event: one that came again may have come otherwise. */
export function wrote({ created, updated, restored, delisted, duplicates }: RunCounts): boolean {
  return created + updated + restored + delisted + duplicates > 0
}

/** After these nobody knows how much of the last write was done. */
const UNCERTAIN: Reason[] = ['storage', 'lease_lost', 'internal']

/** They say nothing of the feed. */
const ABORTS: Reason[] = ['aborted', 'paused', 'abandoned', 'lease_lost']

function endOfFailure(
  { reason, detail }: Failure,
  { counts, known }: { counts: RunCounts; known: Known | undefined },
  more: Pick<RunEnd, 'circuit'> | undefined
): Omit<RunEnd, 'counts'> {
  // The storage no longer has what the kept state belongs to.
  const forget = wrote(counts) || UNCERTAIN.includes(reason) ? { state: forgetValidators(known?.state ?? null) } : {}
  if (ABORTS.includes(reason)) return { outcome: 'aborted', reason, detail, ...forget }
  return { outcome: counts.seen > 0 ? 'partial' : 'failed', reason, detail, ...forget, ...more }
}

function logEnd(run: Run, retry_at: string | null, log: JobContext['log']): void {
  const { kind, source, outcome, reason, detail, counts } = run
  const rejects = counts.rejected === 0 ? '' : `, with ${counts.rejected} rejects: /v1/api/sources/${source}/rejects`
  if (reason === null) log.info({ kind, outcome, counts }, `the run succeeded${rejects}`)
  else {
    const isSlow = reason === 'timeout' && kind !== 'fetch'
    const hint = isSlow ? 'what was done stays done: start it again, and it goes on' : HINTS[reason]
    const retry = retry_at === null ? {} : { retry_at }
    // That the storage is away is said once, by who watches it.
    const level = reason === 'storage' ? 'debug' : 'warn'
    log[level]({ kind, outcome, reason, counts, hint, ...retry }, `the run did not succeed: ${detail}`)
  }
}
