import { hash } from 'node:crypto'
import type { SourceAdapter, SourceItem } from '../../adapters/kit/contract.ts'
import type {
  AdapterState,
  OpenRun,
  Outcome,
  Reason,
  RejectContent,
  Run,
  RunCounts,
  Storage
} from '../../storage/kit/contract.ts'
import { NO_COUNTS } from '../../storage/kit/counts.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import type { HttpClient } from '../http.ts'
import type { JobContext } from '../jobs/kit/contract.ts'
import type { Source } from '../sources.ts'
import { checkRecord, eventId } from './check.ts'
import { explainFailure, HINTS } from './reasons.ts'

export interface IngestContext extends JobContext {
  storage: Storage
  http: HttpClient
}

const BATCH = 500
/** Of a reject's raw text, in characters. */
const MOST_RAW = 16_384

/**
 * Pulled end to end: nothing is read from the source while a batch is being written. In memory are a piece of the
 * document and a batch, whatever the size of the feed.
 * @returns the run as it was recorded
 * @throws what the storage throws when not even the end of the run could be recorded
 */
export async function ingestSource(source: Source, adapter: SourceAdapter, context: IngestContext): Promise<Run> {
  const { storage, lease } = context
  const started = performance.now()
  const opened = await storage.openRun(source.name, lease)
  const log = context.log.child({ source: source.name, run: opened.id })
  const counts: RunCounts = { ...NO_COUNTS }
  const previous = await readState(source, storage)
  const result = await readSnapshot(source, adapter, { ...context, log }, { opened, counts, state: previous })

  counts.duration = Math.round(performance.now() - started)
  const { outcome, reason, detail, state } = judge(result, counts, previous)
  const end = { outcome, reason, detail, counts, ...(state === undefined ? {} : { state }) }
  const run = await storage.closeRun(opened, end)
  if (reason === null) log.info({ outcome, counts }, 'the run succeeded')
  else log.warn({ outcome, reason, counts, hint: HINTS[reason] }, `the run did not succeed: ${detail}`)
  return run
}

interface Result {
  /** Given when the whole snapshot was read and written. */
  complete?: AdapterState
  unchanged?: true
  failure?: { reason: Reason; detail: string }
}

interface Progress {
  opened: OpenRun
  counts: RunCounts
  state: AdapterState | null
}

async function readSnapshot(
  source: Source,
  adapter: SourceAdapter,
  { storage, http, signal, log }: IngestContext,
  { opened, counts, state }: Progress
): Promise<Result> {
  const result: Result = {}
  let events: EventContent[] = []
  let rejects: RejectContent[] = []

  async function flush(): Promise<void> {
    const batch = { events, rejects }
    events = []
    rejects = []
    if (batch.events.length > 0) {
      const written = await storage.write(opened, batch.events)
      counts.created += written.created
      counts.updated += written.updated
      counts.unchanged += written.unchanged
      counts.restored += written.restored
    }
    if (batch.rejects.length > 0) {
      await storage.writeRejects(opened, batch.rejects)
      counts.rejected += batch.rejects.length
    }
  }
  function take(item: SourceItem): void {
    counts.seen++
    const checked = item.record === undefined ? { reason: item.reject } : checkRecord(item.record, source)
    if ('event' in checked) {
      events.push(checked.event)
      return
    }
    const { path, raw } = item.where()
    rejects.push({
      reason: checked.reason,
      path,
      raw: raw.slice(0, MOST_RAW),
      event_id: item.record === undefined ? null : eventId(source.name, item.record)
    })
  }

  try {
    const items = adapter.read({
      source,
      options: source.options,
      signal,
      log,
      http,
      state,
      complete: (next) => {
        result.complete = { ...next, settings: settingsDigest(source) }
      },
      unchanged: () => {
        result.unchanged = true
      },
      countBytes: (bytes) => {
        counts.bytes += bytes
      }
    })
    for await (const item of items) {
      take(item)
      if (events.length + rejects.length >= BATCH) {
        await flush()
        signal.throwIfAborted()
      }
    }
    await flush()
    signal.throwIfAborted()
    if (result.complete !== undefined) counts.delisted = await storage.delist(opened)
  } catch (error) {
    delete result.complete
    result.failure = explainFailure(error, signal)
    if (result.failure.reason === 'internal') log.error({ err: error }, 'a fault in the adapter or the pipeline')
    // What was read is right, and is kept; only what is missing proves nothing.
    await flush().catch((cause) => {
      result.failure = explainFailure(cause, signal)
    })
  }
  return result
}

function judge(
  result: Result,
  counts: RunCounts,
  previous: AdapterState | null
): { outcome: Outcome; reason: Reason | null; detail: string | null; state?: AdapterState } {
  if (result.failure !== undefined) {
    const { reason, detail } = result.failure
    if (reason === 'aborted' || reason === 'lease_lost') return { outcome: 'aborted', reason, detail }
    return { outcome: counts.seen > 0 ? 'partial' : 'failed', reason, detail }
  }
  if (result.unchanged) return { outcome: 'unchanged', reason: null, detail: null }
  if (result.complete === undefined) {
    const detail = 'the adapter ended without saying that the snapshot is complete'
    return { outcome: counts.seen > 0 ? 'partial' : 'failed', reason: 'internal', detail }
  }
  const wrote = counts.created + counts.updated + counts.restored + counts.delisted > 0
  const { digest } = result.complete
  const same = !wrote && digest !== undefined && digest === previous?.digest
  return { outcome: same ? 'unchanged' : 'complete', reason: null, detail: null, state: result.complete }
}

/** What was kept counts only while the settings are those that it was kept under. */
async function readState(source: Source, storage: Storage): Promise<AdapterState | null> {
  const state = (await storage.sources()).find((state) => state.source === source.name)?.state ?? null
  return state?.settings === settingsDigest(source) ? state : null
}

function settingsDigest({ adapter, url, timezone, options }: Source): string {
  return hash('sha256', JSON.stringify([adapter, url, timezone, options]), 'hex')
}
