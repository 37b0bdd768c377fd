import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom, type Random } from '../../bench/kit/random.ts'
import type { EventPage, Position, Storage } from '../../storage/kit/contract.ts'
import { QueryTooSlow } from '../../storage/kit/errors.ts'
import type { Event } from '../../storage/kit/event.ts'
import type { EventQuery } from '../../storage/kit/filters.ts'
import { isFull, recordHazard } from '../hazards/record.ts'
import { createStore, DRIVERS, type TestStore, whyNot } from './fixtures.ts'
import { answer, stateAt } from './oracle/answer.ts'
import { fill, type Histories } from './oracle/histories.ts'
import { happens, pick } from './oracle/pick.ts'
import { randomQuery } from './oracle/random-query.ts'

const SEED = 7
const FULL = { events: 1500, queries: 2000 }
/** Of drivers whose server answers slowly in the tests, unless they run in full. */
const FEWER: Record<string, typeof FULL> = { mongodb: { events: 100, queries: 2000 } }

const MOST_TRIES = 5
const LIMITS = [1, 2, 3, 10, 50, 100, 1000]
const MOST_PAGES = 8
const MOSTS = [0, 1, 10, 100, 10_000]

for (const driver of DRIVERS.keys()) {
  const size = (isFull ? undefined : FEWER[driver]) ?? FULL
  const queries = Number(process.env.EVENTS_TEST_QUERIES) || size.queries

  describe.skipIf(whyNot(driver) !== undefined)(`storage ${driver} against a plain filter in memory`, () => {
    let store: TestStore
    let storage: Storage
    let histories: Histories
    beforeAll(async () => {
      store = await createStore(driver, { isApart: true })
      storage = store.storage
      histories = await fill(storage, { events: size.events, seed: SEED })
    }, 300_000)
    afterAll(() => store.close())

    it(`answers ${queries} random queries alike`, { timeout: 3_600_000 }, async ({ task }) => {
      const times = [...new Set([...histories.values()].flat().map(({ updated_at }) => updated_at))].sort()
      const differences: string[] = []
      let found = 0
      for (let i = 0; i < queries; i++) {
        const query = randomQuery(createRandom(i), times)
        const expected = answer(histories, query)
        found += expected.length
        const difference = await patiently(() => compare(storage, query, expected, createRandom(-i)))
        if (difference) differences.push(`query ${i} ${JSON.stringify(query)}: ${difference}`)
      }
      recordHazard(task, {
        hazard: `random queries on ${driver}, with all their pages and counts, against a plain filter in memory`,
        expected: 'differences 0',
        figure: `${differences.length} of ${queries} over ${histories.size} events (${found} found)`
      })
      expect(differences.slice(0, 5)).toEqual([])
      expect(found).toBeGreaterThan(queries)
    })

    it('knows what each event was', async () => {
      const random = createRandom(SEED + 2)
      for (let i = 0; i < 40; i++) {
        const [id, states] = pick(random, [...histories])
        const versions = await storage.versions(id, { limit: 100 })
        expect(versions.items.map(({ event }) => event)).toEqual(states.toReversed())
        for (const { updated_at } of states) {
          for (const ms of [-1, 0, 1]) {
            const asOf = new Date(Date.parse(updated_at) + ms).toISOString()
            expect(await storage.get(id, asOf)).toEqual(stateAt(states, asOf) ?? null)
          }
        }
      }
    })
  })
}

/** A storage may say that it takes too long, which on a busy machine is not about the query; but it may not be wrong. */
async function patiently<T>(ask: () => Promise<T>): Promise<T | string> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (tries === MOST_TRIES || !(error instanceof QueryTooSlow)) return String(error)
    }
  }
}

/** What is not as expected; undefined where all is. */
async function compare(storage: Storage, query: EventQuery, expected: Event[], random: Random) {
  const limit = pick(
    random,
    LIMITS.filter((limit) => limit * MOST_PAGES >= expected.length || limit === 1000)
  )
  let after: Position | undefined
  let at = 0
  do {
    const page: EventPage = await storage.find(query, { limit, ...(after && { after }) })
    const difference = explain(String(page.json), expected.slice(at, at + limit))
    if (difference) return `at ${at}, by ${limit} of ${expected.length}: ${difference}`
    at += limit
    if ((page.next === null) !== at >= expected.length) return `after ${at} of ${expected.length}, next is ${page.next}`
    after = page.next ?? undefined
  } while (after !== undefined)

  const most = pick(random, MOSTS)
  const count = await storage.count(query, most)
  if (count !== Math.min(expected.length, most + 1)) {
    return `${count} counted up to ${most}, and there are ${expected.length}`
  }
  if (!happens(random, 10)) return undefined
  const streamed = await Array.fromAsync(storage.stream(query))
  const difference = explain(streamed.map(toJson).join(','), expected)
  return difference && `streamed: ${difference}`
}

function explain(found: string, expected: Event[]): string | undefined {
  if (found === expected.map(toJson).join(',')) return undefined
  const events = (JSON.parse(`[${found}]`) as Event[]).map((event) => JSON.stringify(event))
  const at = Math.max(
    0,
    expected.findIndex((event, i) => toJson(event) !== events[i])
  )
  return `${events.length} of ${expected.length}; ${events[at] ?? null} and not ${JSON.stringify(expected[at] ?? null)}`
}

const texts = new WeakMap<Event, string>()

/** There are few events, and they are looked at very often. */
function toJson(event: Event): string {
  const text = texts.get(event) ?? JSON.stringify(event)
  texts.set(event, text)
  return text
}
