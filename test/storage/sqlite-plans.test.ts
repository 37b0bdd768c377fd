import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PageRequest, Position } from '../../storage/kit/contract.ts'
import type { EventFilters, EventQuery, SortKey } from '../../storage/kit/filters.ts'
import { SORT_KEYS } from '../../storage/kit/filters.ts'
import { LAST_BEFORE } from '../../storage/sqlite/archive.ts'
import { toProbes } from '../../storage/sqlite/candidates.ts'
import { isCommon, selectPage } from '../../storage/sqlite/hot.ts'
import { planEvents, planVersions } from '../../storage/sqlite/plan.ts'
import {
  FURTHEST,
  SORTS,
  type Sql,
  selectBoundary,
  selectCount,
  selectRows,
  toKey
} from '../../storage/sqlite/query.ts'
import { createStore, ingest, makeEvent, type TestStore } from './fixtures.ts'

let store: TestStore
let db: DatabaseSync
beforeAll(async () => {
  store = await createStore('sqlite')
  await ingest(store.storage, [makeEvent(1)])
  db = new DatabaseSync(store.options.path as string)
})
afterAll(async () => {
  db.close()
  await store.close()
})

const explain = ({ sql, values }: Sql) =>
  db
    .prepare(`explain query plan ${sql}`)
    .all(...values)
    .map(({ detail }) => String(detail))
const text = (plan: string[]) => plan.join('\n')

const local = { clock: 'local' as const, at: '2024-05-02T00:00:00' }
const utc = { clock: 'utc' as const, at: '2024-05-03T00:00:00Z' }
const { id } = makeEvent(1)

describe('the common list on SQLite', () => {
  const queries: [string, EventFilters][] = [
    ['without filters', { match: 'within' }],
    ['as it is by default', { match: 'within', everOnline: true }],
    ['between wall-clock times', { match: 'within', from: local, to: local, everOnline: true }],
    ['between instants', { match: 'within', from: utc, to: utc, everOnline: true }],
    ['that starts between', { match: 'starts', from: local, to: utc }],
    ['sold online', { match: 'within', from: local, sellMode: 'online' }],
    ['sold offline', { match: 'within', from: local, sellMode: 'offline' }],
    ['of a source', { match: 'within', from: local, sources: ['demo'], everOnline: true }]
  ]
  for (const [name, filters] of queries) {
    for (const after of [undefined, ['2024-05-02T20:00:00Z', id]]) {
      it(`${name} ${after ? 'goes on' : 'begins'} in the index that holds the events, and sorts nothing`, () => {
        const query: EventQuery = { filters, sort: { by: 'start', descending: false } }
        expect(isCommon(query)).toBe(true)
        const { page, more, values } = selectPage(query, { limit: 20, ...(after && { after }) } as PageRequest)
        for (const sql of [page, more].filter((sql) => sql !== null)) {
          const plan = explain({ sql, values })
          expect(text(plan)).toMatch(/SEARCH events USING COVERING INDEX events_pages \(ever_online=\?/)
          expect(text(plan)).not.toMatch(/SCAN events|TEMP B-TREE|AUTOMATIC/)
          if (after) expect(text(plan)).toContain('(starts,id)>(?,?)')
        }
      })
    }
  }
})

it('the schema of the SQLite file fits into its first page, so that a service starts on a file that is damaged behind it', () => {
  expect(db.prepare("select pageno from dbstat where name = 'sqlite_schema'").all()).toEqual([{ pageno: 1 }])
})

/** Each filter, and what answers it where it finds few. */
const FILTERS: [string, EventFilters][] = [
  ['nothing', { match: 'within' }],
  ['wall-clock bounds', { match: 'within', from: local, to: local }],
  ['instants that events overlap', { match: 'overlaps', from: { clock: 'utc', at: '2024-05-01T00:00:00Z' }, to: utc }],
  ['how it is sold', { match: 'within', everOnline: true, sellMode: 'offline' }],
  ['sources', { match: 'within', sources: ['demo', 'other'] }],
  ['an organizer', { match: 'within', organizers: ['1', '2'] }],
  ['words', { match: 'within', words: ['some', 'wor'] }],
  ['a status', { match: 'within', statuses: ['delisted'] }],
  ['whether it is sold out', { match: 'within', soldOut: false }],
  ['when it changed', { match: 'within', updatedSince: '2024-01-01T00:00:00.000Z' }],
  ['a price', { match: 'within', zone: { minPrice: 1, maxPrice: 2 } }],
  ['capacity', { match: 'within', zone: { minCapacity: 2 } }],
  ['what is available', { match: 'within', available: { is: true, at: utc.at } }],
  ['what is not', { match: 'within', available: { is: false, at: utc.at } }]
]

const POSITIONS: Record<SortKey, Position> = {
  start: ['2024-05-02T10:00:00Z', id],
  end: ['1714644000', id],
  title: ['event 1', id],
  updated: ['1714680000000', id],
  min_price: ['1.5', id]
}

describe('walks on SQLite', () => {
  const circumstances = { ahead: FURTHEST, isIndexed: true, candidates: null, after: undefined }
  for (const [name, filters] of FILTERS) {
    it(`for ${name} go through an index in the order of the answer, and no row is read but those in it`, () => {
      for (const by of SORT_KEYS) {
        for (const descending of [false, true]) {
          const { column } = SORTS[by]
          const query: EventQuery = { filters, sort: { by, descending } }
          for (const segment of planEvents(query, circumstances)) {
            const after = toKey(by, POSITIONS[by])
            const statements = [
              selectBoundary(segment, after, 100),
              selectRows(segment, {}, column, 10),
              selectRows(segment, { after, until: after }, column, 10),
              selectCount(segment, { after, until: after }, 10)
            ]
            for (const statement of statements) {
              const plan = text(explain(statement))
              expect(plan).toMatch(new RegExp(`events USING (COVERING )?INDEX ${segment.index}`))
              expect(plan).not.toMatch(/TEMP B-TREE|AUTOMATIC/)
            }
            // Neither is where a step ends found by reading rows, nor is what matches counted so.
            expect(text(explain(statements[0]!))).toContain('COVERING')
            if (by === 'start') expect(text(explain(statements[3]!))).toContain('COVERING')
            // From one end to the other of the step; this one ends where it can hold what began so long before.
            if (segment.index === 'events_long') continue
            expect(text(explain(statements[2]!))).toContain(`((${column},id)>(?,?) AND (${column},id)<(?,?))`)
          }
        }
      }
    })
  }

  it('for how events were go through an index of former states', () => {
    const query: EventQuery = { filters: { match: 'within', from: local }, sort: { by: 'start', descending: true } }
    for (const segment of planVersions(query, 0, circumstances)) {
      const plan = text(explain(selectRows(segment, { after: toKey('start', POSITIONS.start) }, 'starts', 10)))
      expect(plan).toMatch(/SEARCH versions USING INDEX versions_by_start/)
      expect(plan).not.toMatch(/TEMP B-TREE/)
    }
  })

  it('for few events that an index has found fetch these alone', () => {
    const query: EventQuery = { filters: { match: 'within', words: ['w'] }, sort: { by: 'title', descending: false } }
    const [segment] = planEvents(query, { ...circumstances, candidates: '[1]' })
    expect(text(explain(selectRows(segment!, {}, 'title_key', 10)))).toContain('INTEGER PRIMARY KEY')
  })

  it('finds the last change that is to be forgotten in an index alone', () => {
    const plan = text(explain({ sql: LAST_BEFORE, values: [1] }))
    expect(plan).toContain('SEARCH versions USING COVERING INDEX versions_by_replaced')
  })

  it('finds which are few in indexes alone', () => {
    const probes = FILTERS.flatMap(([, filters]) => toProbes(filters))
    const base = toProbes({ match: 'within', baseEvents: ['1', '2'] })
    for (const { select, values } of [...probes, ...base]) {
      const plan = explain({ sql: `${select} limit 10`, values })
      // The numbers say what FTS5 is asked for: words, and terms between two.
      expect(plan[0]).toMatch(/^SEARCH events USING COVERING INDEX|^SCAN event_(words .* 0:M1|terms .* 1539:)$/)
    }
    expect(probes.length).toBeGreaterThan(5)
  })
})
