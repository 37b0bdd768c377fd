import { expect, it } from 'vitest'
import type { EventFilters, EventSort } from '../../storage/kit/filters.ts'
import { toFilter, toHint, toSort } from '../../storage/mongodb/query.ts'

const START: EventSort = { by: 'start', descending: false }
const ANY = { ever_online: { $in: [true, false] } }
const terms = (filters: Partial<EventFilters>, sort = START, after?: string[]) =>
  toFilter({ filters: { match: 'within', ...filters }, sort }, after).$and

const local = { clock: 'local' as const, at: '2024-05-02T00:00:00' }
const utc = { clock: 'utc' as const, at: '2024-05-03T00:00:00Z' }

const CASES: [string, Partial<EventFilters>, object[]][] = [
  ['nothing', {}, [ANY]],
  ['ever sold online', { everOnline: true }, [{ ever_online: true }]],
  ['sold online', { sellMode: 'online' }, [{ ever_online: true }, { sell_mode: 'online' }]],
  ['sold offline', { sellMode: 'offline' }, [ANY, { sell_mode: 'offline' }]],
  [
    'within',
    { from: local, to: utc },
    [
      ANY,
      { starts_at: { $gte: '2024-05-01T08:00:00Z' } },
      { start_date: { $gte: local.at } },
      { end: { $lte: utc.at } },
      { starts_at: { $lte: '2024-05-04T00:00:00Z' } }
    ]
  ],
  [
    'starts',
    { match: 'starts', from: utc, to: local },
    [
      ANY,
      { starts_at: { $gte: utc.at } },
      { starts_at: { $lte: '2024-05-02T16:00:00Z' } },
      { start_date: { $lte: local.at } }
    ]
  ],
  [
    'overlaps',
    { match: 'overlaps', from: local, to: utc },
    [ANY, { end: { $gte: '2024-05-01T08:00:00Z' } }, { local_end: { $gte: local.at } }, { starts_at: { $lte: utc.at } }]
  ],
  [
    'one of several',
    { sources: ['a', 'b'], baseEvents: ['1'], organizers: ['7'], statuses: ['listed'] },
    [
      ANY,
      { source: { $in: ['a', 'b'] } },
      { base_event_id: { $in: ['1'] } },
      { organizer_company_id: { $in: ['7'] } },
      { status: { $in: ['listed'] } }
    ]
  ],
  ['sold out', { soldOut: true }, [ANY, { sold_out: true }]],
  [
    'updated',
    { updatedSince: '2024-01-01T00:00:00.000Z' },
    [ANY, { updated_at: { $gte: '2024-01-01T00:00:00.000Z' } }]
  ],
  ['words', { words: ['a', 'b'] }, [ANY, { words: 'a' }, { words: { $regex: '^b' } }]],
  ['no words', { words: [] }, [ANY]],
  [
    'a zone',
    { zone: { minPrice: 1, maxPrice: 2, minCapacity: 3, numbered: true, name: 'n' } },
    [
      ANY,
      {
        zones: {
          $elemMatch: {
            price: { $gte: 1, $lte: 2 },
            capacity: { $gte: 3 },
            numbered: true,
            folded: { $regex: 'n' }
          }
        }
      },
      { highest_price: { $gte: 1 } },
      { lowest_price: { $lte: 2 } },
      { max_capacity: { $gte: 3 } }
    ]
  ]
]
for (const [name, filters, expected] of CASES) {
  it(`makes a filter of ${name}`, () => expect(terms(filters)).toEqual(expected))
}

it('says of what is not available just the opposite of what is', () => {
  const at = '2024-05-02T00:00:00Z'
  const [, available] = terms({ available: { is: true, at } })!
  expect(terms({ available: { is: false, at } })).toEqual([ANY, { $nor: [available] }])
})

it('goes on after a position in the direction of the sort', () => {
  const sort = (by: EventSort['by'], descending: boolean) => ({ by, descending })
  expect(terms({}, sort('title', false), ['t', 'id'])).toEqual([
    ANY,
    { title_key: { $gte: 't' } },
    { $or: [{ title_key: { $gt: 't' } }, { title_key: 't', _id: { $gt: 'id' } }] }
  ])
  expect(terms({}, sort('min_price', true), ['12.5', 'id'])).toEqual([
    ANY,
    { price: { $lte: 12.5 } },
    { $or: [{ price: { $lt: 12.5 } }, { price: 12.5, _id: { $lt: 'id' } }] }
  ])
  expect(toSort(sort('updated', true))).toEqual({ updated_at: -1, _id: -1 })
})

it('has no operator of what it is given, and no expression', () => {
  const hostile = '$where.*+?()[]{}|^\\/-#\0'
  const escaped = String.raw`\$where\.\*\+\?\(\)\[\]\{\}\|\^\\\/\-\#\x00`
  expect(terms({ zone: { name: hostile }, words: [hostile, hostile], sources: [hostile] })).toEqual([
    ANY,
    { words: hostile },
    { words: { $regex: `^${escaped}` } },
    { zones: { $elemMatch: { folded: { $regex: escaped } } } },
    { source: { $in: [hostile] } }
  ])
  expect(new RegExp(`^${escaped}$`).test(hostile)).toBe(true)
})

it('goes by the index of the order, or of what few have', () => {
  const hint = (filters: Partial<EventFilters>, by: EventSort['by'] = 'start') =>
    toHint({ filters: { match: 'within', ...filters }, sort: { by, descending: false } })
  expect(hint({})).toBe('events_by_starts_at')
  expect(hint({ sources: ['a'] }, 'min_price')).toBe('events_by_price')
  expect(hint({ baseEvents: ['1'] }, 'title')).toBe('events_by_base')
  expect(hint({ words: ['a'] })).toBeUndefined()
  expect(hint({ words: [] })).toBe('events_by_starts_at')
})
