import type { EventPage, PageRequest, Position } from './contract.ts'
import type { Event } from './event.ts'

const PAGE = 100

/** Streams by keyset pages: no cursor, transaction or snapshot is held while the consumer takes its time. */
export async function* streamPages(
  find: (page: PageRequest) => Promise<EventPage>,
  signal?: AbortSignal
): AsyncIterable<Event> {
  let after: Position | undefined
  do {
    signal?.throwIfAborted()
    const page: EventPage = await find(after === undefined ? { limit: PAGE } : { limit: PAGE, after })
    yield* JSON.parse(`[${page.json}]`) as Event[]
    after = page.next ?? undefined
  } while (after !== undefined)
}
