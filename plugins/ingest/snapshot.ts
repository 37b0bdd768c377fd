import { hash } from 'node:crypto'
import type { SourceAdapter, SourceItem } from '../../adapters/kit/contract.ts'
import type { AdapterState, OpenRun, RejectContent, Storage } from '../../storage/kit/contract.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import type { Reason, RunCounts } from '../../storage/kit/run.ts'
import type { HttpClient } from '../http.ts'
import type { JobContext } from '../jobs/kit/contract.ts'
import type { Source } from '../sources.ts'
import { checkRecord, eventId } from './check.ts'
import { explainFailure } from './reasons.ts'

export interface IngestContext extends JobContext {
  storage: Storage
  http: HttpClient
}

/** Events and rejects that are written at once; fewer, when they come from this many bytes. */
const BATCH = { items: 500, bytes: 4e6 }
/** Of a reject's raw text, in characters. */
const MOST_RAW = 16_384

export interface Snapshot {
  /** Given when the whole snapshot was read and written. */
  complete?: AdapterState
  unchanged?: true
  failure?: { reason: Reason; detail: string }
}

export interface Progress {
  opened: OpenRun
  counts: RunCounts
  /** What the adapter was given. */
  state: AdapterState | null
}

/**
 * Pulled end to end: nothing is read from the source while a batch is being written. In memory are a piece of the
 * document and a batch, whatever the size of the feed.
 */
export async function readSnapshot(
  source: Source,
  adapter: SourceAdapter,
  { storage, http, signal, log }: IngestContext,
  progress: Progress
): Promise<Snapshot> {
  const { opened, counts } = progress
  const result: Snapshot = {}
  let events: EventContent[] = []
  let rejects: RejectContent[] = []
  let flushedAt = 0

  async function flush(): Promise<void> {
    const batch = { events, rejects }
    events = []
    rejects = []
    flushedAt = counts.bytes
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
    progress.state = await readState(source, storage)
    const items = adapter.read({
      source,
      options: source.options,
      signal,
      log,
      http,
      state: progress.state,
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
      if (events.length + rejects.length >= BATCH.items || counts.bytes - flushedAt > BATCH.bytes) {
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

/** What was kept counts only while the settings are those that it was kept under. */
async function readState(source: Source, storage: Storage): Promise<AdapterState | null> {
  const state = (await storage.sources()).find((state) => state.source === source.name)?.state ?? null
  return state?.settings === settingsDigest(source) ? state : null
}

function settingsDigest({ adapter, url, timezone, options }: Source): string {
  return hash('sha256', JSON.stringify([adapter, url, timezone, options]), 'hex')
}
