import { hash } from 'node:crypto'
import type { SourceAdapter, SourceItem } from '../../adapters/kit/contract.ts'
import type { AdapterState, OpenRun, Reason, RejectContent, RunCounts, Storage } from '../../storage/kit/contract.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import type { HttpClient } from '../http.ts'
import type { JobContext } from '../jobs/kit/contract.ts'
import type { Source } from '../sources.ts'
import { checkRecord, eventId } from './check.ts'
import { explainFailure } from './reasons.ts'

export interface IngestContext extends JobContext {
  storage: Storage
  http: HttpClient
}

const BATCH = 500
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
  { opened, counts, state }: Progress
): Promise<Snapshot> {
  const result: Snapshot = {}
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

/** What an adapter's state is worth nothing without: the settings that it was kept under. */
export function settingsDigest({ adapter, url, timezone, options }: Source): string {
  return hash('sha256', JSON.stringify([adapter, url, timezone, options]), 'hex')
}
