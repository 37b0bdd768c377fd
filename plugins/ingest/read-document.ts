import type { FeedBody, KnownPieces, SourceAdapter, SourceContext, SourceItem } from '../../adapters/kit/contract.ts'
import type { AdapterState } from '../../storage/kit/contract.ts'
import type { RunCounts } from '../../storage/kit/run.ts'
import type { HttpClient } from '../http.ts'
import type { JobContext } from '../jobs/kit/contract.ts'
import type { Source } from '../sources.ts'

export interface ReadOptions extends Pick<JobContext, 'signal' | 'log'> {
  http: HttpClient
  counts: RunCounts
  state?: AdapterState | null
  replay?: FeedBody
  keep?: NonNullable<SourceContext['keep']>
  pieces?: KnownPieces
  /** Handles an item; nothing is read while it waits. */
  take(item: SourceItem): void | Promise<void>
}

/** What the adapter said in the end: that the whole snapshot was read, or that there is nothing new, or nothing. */
export interface DocumentEnd {
  complete?: AdapterState
  unchanged?: true
}

/**
 * Has an adapter read one document, item by item. Ends when the signal aborts, whatever the adapter does.
 * @throws what the adapter and `take` throw, and the signal's reason
 */
export async function readDocument(source: Source, adapter: SourceAdapter, options: ReadOptions): Promise<DocumentEnd> {
  const { signal, log, http, counts, state = null, replay, keep, pieces, take } = options
  const end: DocumentEnd = {}
  const items = adapter.read({
    source,
    options: source.options,
    signal,
    log,
    http,
    state,
    complete: (next) => {
      if (!isState(next)) throw new TypeError('complete() takes an object of texts and nulls')
      end.complete = next
    },
    unchanged: () => {
      end.unchanged = true
    },
    countBytes: (bytes) => {
      counts.bytes += bytes
    },
    ...(replay && { replay }),
    ...(keep && { keep }),
    ...(pieces && { pieces })
  })
  await consume(items[Symbol.asyncIterator](), take, signal)
  return end
}

/** An adapter ought to end when the signal aborts; one that does not is left alone. */
async function consume<T>(
  iterator: AsyncIterator<T | readonly T[]>,
  take: (item: T) => void | Promise<void>,
  signal: AbortSignal
): Promise<void> {
  signal.throwIfAborted()
  let abort: (reason: unknown) => void = () => undefined
  const onAbort = () => abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  let isDone = false
  try {
    for (;;) {
      // Not a race with one promise that lives as long as the run: it would remember every item.
      const next = await new Promise<IteratorResult<T | readonly T[]>>((resolve, reject) => {
        abort = reject
        iterator.next().then(resolve, reject)
      })
      signal.throwIfAborted()
      if (next.done) {
        isDone = true
        return
      }
      for (const item of [next.value].flat() as T[]) {
        const taken = take(item)
        if (taken !== undefined) await taken
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Without waiting: it may never come to an end.
    if (!isDone) iterator.return?.().catch(() => undefined)
  }
}

function isState(state: unknown): state is AdapterState {
  const isValue = (value: unknown) => value === null || typeof value === 'string'
  return typeof state === 'object' && state !== null && Object.values(state).every(isValue)
}
