import { expect } from 'vitest'
import { createRandom } from '../../../bench/kit/random.ts'
import type { EventPage, Position, Storage } from '../../../storage/kit/contract.ts'
import type { Event, EventContent } from '../../../storage/kit/event.ts'
import type { EventQuery } from '../../../storage/kit/filters.ts'
import { delistMissing, endRun, startRun } from '../fixtures.ts'
import { happens } from './pick.ts'
import { changeEvent, randomEvent, SOURCES } from './random-records.ts'

/** What each event ever was, oldest first, by its id. */
export type Histories = Map<string, Event[]>

const EVERYTHING: EventQuery = { filters: { match: 'within' }, sort: { by: 'start', descending: false } }

const ROUNDS = 4

/**
 * Fills a store with random events, in several runs of several sources between which some change, some vanish, some
 * come back and some are new; and notes what they then are.
 */
export async function fill(storage: Storage, { events: count, seed }: { events: number; seed: number }) {
  const random = createRandom(seed)
  const histories: Histories = new Map()
  const contents = new Map<string, EventContent>()
  for (let round = 0; round < ROUNDS; round++) {
    const listed = [...contents.values()]
      .filter(() => happens(random, 90))
      .map((event) => (happens(random, 25) ? changeEvent(random, event) : event))
    for (const event of listed) contents.set(event.id, event)
    while (contents.size < (count * (ROUNDS + round + 1)) / (2 * ROUNDS)) {
      const event = randomEvent(random)
      if (!contents.has(event.id)) listed.push(event)
      contents.set(event.id, contents.get(event.id) ?? event)
    }
    for (const source of SOURCES) {
      const events = listed.filter((event) => event.source === source)
      await ingestAll(storage, events, source, happens(random, 75))
    }
    await note(storage, contents, histories)
  }
  return histories
}

async function ingestAll(storage: Storage, events: EventContent[], source: string, complete: boolean) {
  const run = await startRun(storage, source)
  for (let at = 0; at < events.length; at += 1000) await storage.write(run, events.slice(at, at + 1000))
  if (complete) await delistMissing(storage, run)
  await endRun(storage, run)
}

async function note(storage: Storage, contents: Map<string, EventContent>, histories: Histories): Promise<void> {
  for (const event of await readAll(storage)) {
    const states = histories.get(event.id) ?? []
    if (JSON.stringify(states.at(-1)) !== JSON.stringify(event)) histories.set(event.id, [...states, event])
    expect(event).toMatchObject(contents.get(event.id)!)
  }
  expect(histories.size).toBe(contents.size)
}

async function readAll(storage: Storage): Promise<Event[]> {
  const events: Event[] = []
  let after: Position | undefined
  do {
    const page: EventPage = await storage.find(EVERYTHING, { limit: 1000, ...(after && { after }) })
    events.push(...(JSON.parse(`[${page.json}]`) as Event[]))
    after = page.next ?? undefined
  } while (after !== undefined)
  return events
}
