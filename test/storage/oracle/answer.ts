import type { Event } from '../../../storage/kit/event.ts'
import type { EventQuery, EventSort } from '../../../storage/kit/filters.ts'
import { titleKey } from '../../../storage/kit/words.ts'
import type { Histories } from './histories.ts'
import { matches } from './matches.ts'

/** What a store must answer: all events of the query, in its order. */
export function answer(histories: Histories, { filters, sort, asOf }: EventQuery): Event[] {
  const key = KEYS[sort.by]
  const direction = sort.descending ? -1 : 1
  return [...histories.values()]
    .map((states) => stateAt(states, asOf))
    .filter((event) => event !== undefined)
    .filter((event) => matches(event, filters))
    .map((event) => ({ event, key: key(event) }))
    .sort((a, b) => direction * (compare(a.key, b.key) || compare(a.event.id, b.event.id)))
    .map(({ event }) => event)
}

/** @param states of one event, oldest first */
export function stateAt(states: Event[], asOf: string | undefined): Event | undefined {
  return states.findLast(({ updated_at }) => asOf === undefined || Date.parse(updated_at) <= Date.parse(asOf))
}

type Key = string | number | Buffer

const KEYS: Record<EventSort['by'], (event: Event) => Key> = {
  start: ({ starts_at }) => starts_at,
  end: ({ starts_at, ends_at }) => ends_at ?? starts_at,
  title: ({ title }) => Buffer.from(titleKey(title)),
  updated: ({ updated_at }) => updated_at,
  min_price: ({ min_price }) => min_price ?? Number.POSITIVE_INFINITY
}

function compare(a: Key, b: Key): number {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b)
  return a < b ? -1 : a > b ? 1 : 0
}
