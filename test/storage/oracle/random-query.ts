import type { Random } from '../../../bench/kit/random.ts'
import {
  type Bound,
  type EventFilters,
  type EventQuery,
  SORT_KEYS,
  type ZoneFilter
} from '../../../storage/kit/filters.ts'
import { fold, toWords } from '../../../storage/kit/words.ts'
import { happens, pick, pickSome } from './pick.ts'
import {
  addSeconds,
  BASE_EVENTS,
  CAPACITIES,
  ORGANIZERS,
  PRICES,
  randomTime,
  SOURCES,
  TITLE_WORDS,
  ZONE_NAMES
} from './random-records.ts'

/** @param times at which something changed, oldest first */
export function randomQuery(random: Random, times: string[]): EventQuery {
  return {
    filters: randomFilters(random, times),
    sort: { by: pick(random, SORT_KEYS), descending: happens(random, 50) },
    ...(happens(random, 25) && { asOf: around(random, times) })
  }
}

/** Few at a time, or nothing would be found. */
function randomFilters(random: Random, times: string[]): EventFilters {
  const filters: EventFilters = { match: pick(random, ['within', 'starts', 'overlaps']) }
  if (happens(random, 50)) filters.from = randomBound(random)
  if (happens(random, 50)) filters.to = randomBound(random)
  if (happens(random, 40)) filters.everOnline = true
  if (happens(random, 20)) filters.sellMode = pick(random, ['online', 'offline'])
  if (happens(random, 15)) filters.sources = pickSome(random, [...SOURCES, 'nobody'], 2)
  if (happens(random, 10)) filters.baseEvents = randomBaseEvents(random)
  if (happens(random, 10)) filters.organizers = pickSome(random, [...ORGANIZERS, 'nobody'], 3)
  if (happens(random, 15)) filters.statuses = pickSome(random, ['listed', 'delisted'] as const, 2)
  if (happens(random, 20)) filters.words = randomWords(random)
  if (happens(random, 10)) filters.soldOut = happens(random, 50)
  if (happens(random, 15)) filters.updatedSince = around(random, times)
  if (happens(random, 20)) filters.zone = randomZone(random)
  if (happens(random, 20)) filters.available = { is: happens(random, 70), at: `${randomTime(random)}Z` }
  return filters
}

function randomBound(random: Random): Bound {
  const at = addSeconds(randomTime(random), pick(random, [-1, 0, 0, 0, 1, 1800]))
  return happens(random, 50) ? { clock: 'local', at } : { clock: 'utc', at: `${at}Z` }
}

function randomBaseEvents(random: Random): string[] {
  return Array.from({ length: 1 + random(12) }, () => `b${random(BASE_EVENTS + 5)}`)
}

/** Whole words, and the beginning of the last one. */
function randomWords(random: Random): string[] {
  const words = toWords(Array.from({ length: 1 + random(2) }, () => pick(random, TITLE_WORDS)).join(' '))
  const last = [...(words.pop() ?? 'x')]
  return [...words, last.slice(0, 1 + random(last.length)).join('')]
}

function randomZone(random: Random): ZoneFilter {
  const zone: ZoneFilter = {}
  if (happens(random, 35)) zone.minPrice = Number(pick(random, PRICES))
  if (happens(random, 35)) zone.maxPrice = Number(pick(random, PRICES))
  if (happens(random, 35)) zone.minCapacity = Number(pick(random, CAPACITIES))
  if (happens(random, 35)) zone.numbered = happens(random, 50)
  if (happens(random, 35)) {
    const name = [...fold(pick(random, ZONE_NAMES) || 'pit')]
    const from = random(name.length)
    zone.name = name.slice(from, from + 1 + random(4)).join('')
  }
  // One that asks nothing is none.
  return Object.keys(zone).length === 0 ? { minPrice: 10 } : zone
}

/** Just then, or a millisecond before or after. */
function around(random: Random, times: string[]): string {
  return new Date(Date.parse(pick(random, times)) + random(3) - 1).toISOString()
}
