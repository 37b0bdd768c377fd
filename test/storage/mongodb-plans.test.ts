import { type Collection, MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Position } from '../../storage/kit/contract.ts'
import { type EventFilters, SORT_KEYS, type SortKey } from '../../storage/kit/filters.ts'
import type { EventDocument } from '../../storage/mongodb/documents.ts'
import { ORDERS, toFilter, toHint, toPosition, toProjection, toSort } from '../../storage/mongodb/query.ts'
import { createStore, ingest, makeEvent, type TestStore, whyNot } from './fixtures.ts'
import { flattenStages } from './stages.ts'

const LIMIT = 20
const local = { clock: 'local' as const, at: '2024-05-02T00:00:00' }
const utc = { clock: 'utc' as const, at: '2024-05-20T00:00:00Z' }

const INDEXED: [string, SortKey, Partial<EventFilters>][] = [
  ...SORT_KEYS.map((by): [string, SortKey, Partial<EventFilters>] => [`the list by ${by}`, by, { everOnline: true }]),
  ...SORT_KEYS.map((by): [string, SortKey, Partial<EventFilters>] => [`all by ${by}`, by, {}]),
  ['between bounds', 'start', { from: local, to: utc, everOnline: true }],
  ['that overlap', 'start', { match: 'overlaps', from: local, to: utc, everOnline: true }],
  ['sold offline', 'start', { match: 'starts', from: local, sellMode: 'offline' }],
  ['of a base event', 'start', { baseEvents: ['b7', 'b8'] }]
]

/** What `find` and `count` look at before a document, so that those in no answer are not read. */
const SCALARS: Partial<EventFilters> = {
  sources: ['demo'],
  organizers: ['7'],
  statuses: ['listed'],
  soldOut: false,
  updatedSince: '2024-01-01T00:00:00.000Z',
  available: { is: true, at: '2024-01-01T00:00:00Z' }
}

describe.skipIf(whyNot('mongodb') !== undefined)('plans of MongoDB', () => {
  let store: TestStore
  let client: MongoClient
  let events: Collection<EventDocument>
  let isMongod: boolean
  let keys: Map<string, string[]>
  beforeAll(async () => {
    store = await createStore('mongodb')
    client = await new MongoClient((inject('mongodb') as { url: string }).url).connect()
    isMongod = 'openssl' in (await client.db('admin').command({ buildInfo: 1 }))
    const all = Array.from({ length: 100 }, (_, i) => makeEvent(i, { sell_mode: i % 4 ? 'online' : 'offline' }))
    await ingest(store.storage, all)
    events = client.db(store.options.database as string).collection('events')
    keys = new Map((await events.indexes()).map(({ name, key }) => [name!, Object.keys(key)]))
  })
  afterAll(async () => {
    await client.close()
    await store.close()
  })

  for (const [name, by, some] of INDEXED) {
    it(`${name}: an index has them in order, both ways, on any page`, async () => {
      const filters: EventFilters = { match: 'within', ...some }
      const position = toPosition({ by, descending: false }, (await events.findOne({ event_id: 'e50' }))!)
      for (const after of [undefined, position] as (Position | undefined)[]) {
        for (const descending of [false, true]) {
          const query = { filters, sort: { by, descending } }
          const hint = toHint(query)!
          const explained = await events
            .find(toFilter(query, after), { projection: toProjection(query.sort), hint })
            .sort(toSort(query.sort))
            .limit(LIMIT + 1)
            .explain('executionStats')
          const stages = flattenStages(explained.queryPlanner.winningPlan)
          const names = stages.map(({ stage }) => stage)
          expect(names).not.toContain('COLLSCAN')
          expect(stages.find(({ stage }) => stage === 'IXSCAN')?.indexName).toBe(hint)
          // After a field of which one value at a time is asked for comes what is sorted by.
          expect(keys.get(hint)!.slice(1, 3)).toEqual([ORDERS[by].field, '_id'])
          // The stand-in's planner shows a sort for every sort, and its figures leave the limit out.
          if (!isMongod) continue
          expect(names).not.toContain('SORT')
          expect(explained.executionStats.totalDocsExamined).toBeLessThanOrEqual(LIMIT + 1)
        }
      }
    })
  }

  it('has all that filters look at in the index of the list, but for words and zones', () => {
    const asked = JSON.stringify(
      toFilter({
        filters: { match: 'within', from: local, to: utc, sellMode: 'online', ...SCALARS },
        sort: { by: 'start', descending: false }
      })
    )
    const fields = new Set([...asked.matchAll(/"([a-z_]+)":/g)].map(([, field]) => field))
    expect([...fields].filter((field) => !keys.get('events_by_starts_at')!.includes(field!))).toEqual([])
  })

  it('finds words by their index, unless they are in so many that the order is the better way', async () => {
    const query = {
      filters: { match: 'within' as const, words: ['event', '7'] },
      sort: { by: 'start' as const, descending: false }
    }
    expect(toHint(query)).toBeUndefined()
    expect(keys.get('events_by_words')).toEqual(['words', 'starts_at', '_id'])
    if (!isMongod) return
    const explained = await events
      .find(toFilter(query))
      .sort(toSort(query.sort))
      .limit(LIMIT + 1)
      .explain()
    expect(flattenStages(explained.queryPlanner.winningPlan).map(({ stage }) => stage)).not.toContain('COLLSCAN')
  })

  it('goes on from the last change by an index', async () => {
    for (const [collection, index] of [
      ['events', 'events_by_change'],
      ['versions', 'versions_by_change']
    ] as const) {
      const explained = await client
        .db(store.options.database as string)
        .collection(collection)
        .find({ source: 'demo', change: { $gt: 5 } })
        .sort({ change: 1 })
        .explain()
      const stages = flattenStages(explained.queryPlanner.winningPlan)
      expect(stages.find(({ stage }) => stage === 'IXSCAN')?.indexName).toBe(index)
      if (isMongod) expect(stages.map(({ stage }) => stage)).not.toContain('SORT')
    }
  })
})
