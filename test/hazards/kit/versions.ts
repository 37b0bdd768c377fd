import type { Storage } from '../../../storage/kit/contract.ts'
import { ask } from '../../ask.ts'
import { writeEvent, writeFeed } from '../../provider/feeds.ts'
import { isFull } from '../record.ts'

/** What a provider lists at one time. */
export interface Version {
  body: Buffer
  etag: string
  /** Titles by `event_id`. */
  titles: Map<string, string>
}

export interface Size {
  events: number
  /** One of so many changes. */
  steady: number
}

/** The server that the tests have for MongoDB looks at every document for each that is updated. */
export function sizeFor(driver: string): Size {
  const share = isFull ? 1 : 0.25
  return driver === 'mongodb' ? { events: 2000 * share, steady: 100 } : { events: 20_000 * share, steady: 10 }
}

/**
 * The nth document of a provider. Against the one before it, one of `steady` events has gone, as many are back, as many
 * have another title, and twenty are new; and one cannot be an event.
 */
export function makeVersion(n: number, { events, steady }: Size): Version {
  const titles = new Map<string, string>()
  for (let id = 1; id <= events + 20 * n; id++) {
    if ((id + n) % steady === 0) continue
    const changed = n - ((((n - id) % steady) + steady) % steady)
    titles.set(String(id), `Event ${id}, changed at ${changed}`)
  }
  const written = [...titles].map(([id, title]) => writeEvent(id, {}, title))
  const feed = writeFeed([...written, writeEvent('bad', { sold_out: 'perhaps' })])
  return { body: Buffer.from(feed), etag: `"version ${n}"`, titles }
}

export interface Differences {
  lost: number
  duplicated: number
  halfDelisted: number
}

/** What a store says otherwise than the document that it has read last, event by event. */
export async function compareWith({ titles }: Version, storage: Storage): Promise<Differences> {
  const found = new Set<string>()
  const differences = { lost: 0, duplicated: 0, halfDelisted: 0 }
  for await (const { event_id, title, status, delisted_at } of storage.stream(ask({ match: 'overlaps' }))) {
    if (found.has(event_id)) differences.duplicated++
    found.add(event_id)
    const isListed = titles.has(event_id)
    if (isListed && titles.get(event_id) !== title) differences.lost++
    if ((status === 'listed') !== isListed || (delisted_at === null) !== isListed) differences.halfDelisted++
  }
  for (const id of titles.keys()) if (!found.has(id)) differences.lost++
  return differences
}
