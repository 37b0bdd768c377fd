import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { ChangePage, Position } from '../../storage/kit/contract.ts'
import { StorageUnavailable } from '../../storage/kit/errors.ts'
import { toChange } from './change.ts'

/** How soon a change is told, about. */
const POLL_MS = 500
/** What says nothing for long is taken for dead by whoever stands between. */
const STILL_HERE_MS = 15_000
const PAGE = 100
/** Milliseconds after which a client that lost its connection is to come back. */
const RETRY_MS = 3000

/**
 * Server-sent events, one a change, without end: until the signal aborts or the consumer leaves. While the storage is away
 * nothing comes; what happened meanwhile comes later.
 * @param scope what the cursors are for
 */
export async function* streamChanges(
  { storage, validators, cursors }: Pick<FastifyInstance, 'storage' | 'validators' | 'cursors'>,
  start: { after: Position } | { since: string },
  scope: string,
  signal: AbortSignal
): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n\n`
  let from = start
  let told = -1
  let saidAt = performance.now()
  while (!signal.aborted) {
    try {
      // Asking for it costs less than asking for changes.
      const { revision } = await validators.current()
      while (revision !== told && !signal.aborted) {
        const page: ChangePage = await storage.changes({ limit: PAGE, ...from })
        for (const { position, ...version } of page.items) {
          const id = await cursors.encode(position, scope)
          yield `id: ${id}\nevent: change\ndata: ${JSON.stringify(toChange(version))}\n\n`
          saidAt = performance.now()
        }
        from = { after: page.next }
        if (!page.hasMore) told = revision
      }
    } catch (error) {
      if (!(error instanceof StorageUnavailable)) throw error
    }
    if (performance.now() - saidAt > STILL_HERE_MS) {
      yield ': still here\n\n'
      saidAt = performance.now()
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
}
