import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../bench/kit/random.ts'
import type { Event, EventContent } from '../../../storage/kit/event.ts'
import type { EventFilters, EventSort } from '../../../storage/kit/filters.ts'
import { makeEvent } from '../fixtures.ts'
import { answer } from './answer.ts'
import type { Histories } from './histories.ts'
import { matches } from './matches.ts'
import { randomQuery } from './random-query.ts'
import { randomEvent } from './random-records.ts'

const AT = '2024-01-01T00:00:00.000Z'

function shown(number: number, changes: Partial<EventContent> = {}, life: Partial<Event> = {}): Event {
  const first = { status: 'listed', first_seen_at: AT, updated_at: AT, delisted_at: null, ever_online: true } as const
  return { ...makeEvent(number, changes), ...first, ...life }
}

const is = (event: Event, filters: Partial<EventFilters>) => matches(event, { match: 'within', ...filters })
const zone = { zone_id: '1', name: 'Platea', capacity: 0, price: 10, numbered: true }

/** What is compared with must be right itself. */
describe('the plain filter', () => {
  it('holds both bounds inclusive, by either clock', () => {
    // The day after it has 25 hours.
    const event = shown(1, {
      start_date: '2024-10-26T23:00:00',
      end_date: '2024-10-27T03:00:00',
      timezone: 'Europe/Madrid',
      starts_at: '2024-10-26T21:00:00Z',
      ends_at: '2024-10-27T02:00:00Z'
    })
    const local = (at: string) => ({ clock: 'local', at }) as const
    const utc = (at: string) => ({ clock: 'utc', at }) as const
    expect(is(event, { from: local('2024-10-26T23:00:00'), to: local('2024-10-27T03:00:00') })).toBe(true)
    expect(is(event, { from: utc('2024-10-26T21:00:00Z'), to: utc('2024-10-27T02:00:00Z') })).toBe(true)
    expect(is(event, { to: utc('2024-10-27T01:59:59Z') })).toBe(false)
    expect(is(event, { match: 'starts', to: utc('2024-10-26T21:00:00Z') })).toBe(true)
    expect(is(event, { match: 'overlaps', from: local('2024-10-27T03:00:00') })).toBe(true)
    expect(is(event, { match: 'overlaps', from: local('2024-10-27T03:00:01') })).toBe(false)
  })

  it('asks one zone for all that zones are asked for', () => {
    const event = shown(1, { zones: [zone, { ...zone, price: 20, capacity: 5, name: 'PLATÉA alta' }] })
    expect(is(event, { zone: { maxPrice: 10, minCapacity: 5 } })).toBe(false)
    expect(is(event, { zone: { minPrice: 20, minCapacity: 5, name: 'tea al' } })).toBe(true)
  })

  it('has the last word begin one, and the others be one', () => {
    const event = shown(1, { title: 'La Canción del Río' })
    expect(is(event, { words: ['rio', 'canc'] })).toBe(true)
    expect(is(event, { words: ['canc', 'rio'] })).toBe(false)
  })

  it('calls available what can be bought at the moment', () => {
    const event = shown(1, {
      zones: [{ ...zone, capacity: 1 }],
      timezone: 'Europe/Madrid',
      sell_from: '2024-06-01T12:00:00'
    })
    expect(is(event, { available: { is: true, at: '2024-06-01T09:59:59Z' } })).toBe(false)
    expect(is(event, { available: { is: true, at: '2024-06-01T10:00:00Z' } })).toBe(true)
    expect(is({ ...event, zones: [zone] }, { available: { is: false, at: '2024-06-01T10:00:00Z' } })).toBe(true)
  })

  it('sorts as it is told, ties by id, and takes each event as it was', () => {
    const later = '2024-01-02T00:00:00.000Z'
    const [free, none, dear] = [0, null, 5].map((min_price, i) => shown(i, { min_price }))
    const histories: Histories = new Map([
      ['a', [free!, { ...free!, min_price: 9, updated_at: later }]],
      ['b', [none!]],
      ['c', [dear!]]
    ])
    const prices = (sort: EventSort, asOf?: string) =>
      answer(histories, { filters: { match: 'within' }, sort, ...(asOf && { asOf }) }).map((event) => event.min_price)
    expect(prices({ by: 'min_price', descending: false })).toEqual([5, 9, null])
    expect(prices({ by: 'min_price', descending: true })).toEqual([null, 9, 5])
    expect(prices({ by: 'min_price', descending: false }, AT)).toEqual([0, 5, null])
    expect(prices({ by: 'title', descending: true }, '2023-01-01T00:00:00.000Z')).toEqual([])
  })

  it('is asked what tells events apart, by each filter', () => {
    const random = createRandom(1)
    const events = Array.from({ length: 300 }, (_, i) => {
      const event = randomEvent(random)
      return shown(0, event, { ever_online: event.sell_mode === 'online', status: i % 2 ? 'listed' : 'delisted' })
    })
    const telling = new Set<string>()
    for (let i = 0; i < 300; i++) {
      const { match, ...filters } = randomQuery(random, [AT, '2024-01-02T00:00:00.000Z']).filters
      for (const [name, value] of Object.entries(filters)) {
        const found = events.filter((event) => matches(event, { match, [name]: value })).length
        if (found > 0 && (found < events.length || name === 'updatedSince')) telling.add(name)
      }
    }
    expect(telling.size).toBe(13)
  })
})
