import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Position } from '../../storage/kit/contract.ts'
import { StorageUnavailable } from '../../storage/kit/errors.ts'
import { toChange } from './change.ts'

/** How soon a change is told, about. */
const POLL_MS = 500
/** What says nothing for long is taken for dead by whoever stands between. */
const STILL_HERE_MS = 15_000
const PAGE = 100
/** Milliseconds after which a client that lost its connection is to come back. */
const RETRY_MS = 3000

/** Pages that are kept for others who are at the same place. */
const MOST_SHARED = 20

type Start = { after: Position } | { since: string }

interface Messages {
  messages: string[]
  next: Position
  hasMore: boolean
}

/**
 * Server-sent events, one a change, without end: until the signal aborts or the consumer leaves. While the storage is away
 * nothing comes; what happened meanwhile comes later.
 * @param scope what the cursors are for
 */
export function createChangeStreams(
  { storage, validators, cursors }: Pick<FastifyInstance, 'storage' | 'validators' | 'cursors'>,
  scope: string
): (start: Start, signal: AbortSignal) => AsyncGenerator<string> {
  /** Of one revision: nearly all clients are at the end, and are told the same. */
  let shared = { revision: -1, pages: new Map<string, Promise<Messages>>() }

  async function read(start: Start): Promise<Messages> {
    const { items, next, hasMore } = await storage.changes({ limit: PAGE, ...start })
    const messages: string[] = []
    for (const { position, ...version } of items) {
      const id = await cursors.encode(position, scope)
      messages.push(`id: ${id}\nevent: change\ndata: ${JSON.stringify(toChange(version))}\n\n`)
    }
    return { messages, next, hasMore }
  }
  function readShared(start: Start, revision: number): Promise<Messages> {
    if (revision !== shared.revision || shared.pages.size >= MOST_SHARED) shared = { revision, pages: new Map() }
    const { pages } = shared
    const key = JSON.stringify(start)
    let page = pages.get(key)
    if (page === undefined) {
      page = read(start)
      page.catch(() => pages.delete(key))
      pages.set(key, page)
    }
    return page
  }

  return async function* (start, signal) {
    yield `retry: ${RETRY_MS}\n\n`
    let from = start
    let told = -1
    let saidAt = performance.now()
    while (!signal.aborted) {
      try {
        // Asking for it costs less than asking for changes.
        const { revision } = await validators.current()
        while (revision !== told && !signal.aborted) {
          const { messages, next, hasMore } = await readShared(from, revision)
          for (const message of messages) {
            yield message
            saidAt = performance.now()
          }
          from = { after: next }
          if (!hasMore) told = revision
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
}
