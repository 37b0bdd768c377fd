import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { OpenRun, Storage } from '../../storage/kit/contract.ts'
import { Forgotten, QueryTooSlow } from '../../storage/kit/errors.ts'
import type { Event } from '../../storage/kit/event.ts'
import { type EventFilters, type EventQuery, SORT_KEYS, type SortKey } from '../../storage/kit/filters.ts'
import { toWords } from '../../storage/kit/words.ts'
import { createStorage } from '../../storage/sqlite/storage.ts'
import { endRun, ingest, makeEvent, startRun } from './fixtures.ts'

let folder: string
let path: string
let db: DatabaseSync
let storage: Storage
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'event-service-'))
  path = join(folder, 'events.db')
  db = new DatabaseSync(path)
  storage = createStorage(db, path)
  await storage.migrate()
})
afterEach(async () => {
  await storage.close()
  await rm(folder, { recursive: true })
})

const ask = (filters: Partial<EventFilters> = {}, by: SortKey = 'start', descending = false): EventQuery => ({
  filters: { match: 'within', ...filters },
  sort: { by, descending }
})
async function titles(query: EventQuery): Promise<string[]> {
  const { json } = await storage.find(query, { limit: 1000 })
  return (JSON.parse(`[${json}]`) as Event[]).map(({ title }) => title)
}
/** As if the storage's clock showed this time. */
const at = (run: OpenRun, time: string): OpenRun => ({ ...run, lease: { ...run.lease, now: () => new Date(time) } })

const TIMES = [1, 2, 3, 4].map((day) => `2024-01-0${day}T00:00:00.000Z`) as [string, string, string, string]

/** An event that was A, then B, then C, and another one that stays as it is. */
async function writeHistory(): Promise<void> {
  const run = await startRun(storage)
  await storage.write(at(run, TIMES[0]), [makeEvent(1, { title: 'A' }), makeEvent(2)])
  await storage.write(at(run, TIMES[1]), [makeEvent(1, { title: 'B' })])
  await storage.write(at(run, TIMES[2]), [makeEvent(1, { title: 'C' })])
  await endRun(storage, run)
}

describe('histories on SQLite', () => {
  it('do not go back, though the clock does', async () => {
    const run = await startRun(storage)
    await storage.write(at(run, TIMES[1]), [makeEvent(1, { title: 'A' })])
    await storage.write(at(run, TIMES[0]), [makeEvent(1, { title: 'B' })])
    const { items } = await storage.changes({ limit: 10 })
    expect(items.map(({ at, event }) => [at, event.title])).toEqual([
      [TIMES[1], 'A'],
      [TIMES[1], 'B']
    ])
    expect(await titles({ ...ask(), asOf: TIMES[0] })).toEqual([])
    expect(await titles({ ...ask(), asOf: TIMES[1] })).toEqual(['B'])
  })

  it('are forgotten before a time, and all is known from it on', async () => {
    await writeHistory()
    const middle = '2024-01-02T12:00:00.000Z'
    await storage.prune({ runs: 10, historySince: middle })
    expect(await titles({ ...ask(), asOf: middle })).toEqual(['B', 'Event 2'])
    expect(await titles({ ...ask({}, 'title', true), asOf: TIMES[2] })).toEqual(['Event 2', 'C'])
    const before = '2024-01-02T11:59:59.999Z'
    await expect(titles({ ...ask(), asOf: before })).rejects.toThrow(Forgotten)
    await expect(storage.count({ ...ask(), asOf: before }, 10)).rejects.toThrow(Forgotten)
    await expect(storage.get(makeEvent(1).id, before)).rejects.toThrow(Forgotten)
    expect(await storage.get(makeEvent(1).id, '2023-01-01T00:00:00.000Z')).toBeNull()
    expect(await storage.get(makeEvent(3).id, before)).toBeNull()
    const { items } = await storage.versions(makeEvent(1).id, { limit: 10 })
    expect(items.map(({ event, before }) => [event.title, before?.title])).toEqual([
      ['C', 'B'],
      ['B', undefined]
    ])
    // An earlier time brings nothing back.
    await storage.prune({ runs: 10, historySince: TIMES[0] })
    await expect(titles({ ...ask(), asOf: before })).rejects.toThrow(Forgotten)
  })

  it('are deleted to the last, however many', async () => {
    const run = await startRun(storage)
    const events = (title: string) => Array.from({ length: 1000 }, (_, i) => makeEvent(i, { title }))
    await storage.write(at(run, TIMES[0]), events('A'))
    await storage.write(at(run, TIMES[1]), events('B'))
    await endRun(storage, run)
    await storage.prune({ runs: 10, historySince: TIMES[3] })
    expect((await storage.changes({ limit: 2000 })).items).toHaveLength(1000)
  })

  it('have every change in order, page by page and from a time on', async () => {
    await writeHistory()
    const told: (string | undefined)[][] = []
    let next: string[] | undefined
    for (let hasMore = true; hasMore; ) {
      const page = await storage.changes({ limit: 1, ...(next && { after: next }) })
      for (const { event, before } of page.items) told.push([before?.title, event.title])
      next = page.next
      hasMore = page.hasMore
    }
    expect(told).toEqual([
      [undefined, 'A'],
      [undefined, 'Event 2'],
      ['A', 'B'],
      ['B', 'C']
    ])
    expect(await storage.lastChange()).toEqual(next)
    expect((await storage.changes({ limit: 10, after: next! })).items).toEqual([])
    for (const [since, expected] of [
      [TIMES[0], 4],
      ['2024-01-01T00:00:00.001Z', 2],
      [TIMES[2], 1],
      [TIMES[3], 0]
    ] as const) {
      expect((await storage.changes({ limit: 10, since })).items).toHaveLength(expected)
    }
    const { next: end } = await storage.changes({ limit: 10, since: TIMES[3] })
    await ingest(storage, [makeEvent(3)], { complete: false })
    expect((await storage.changes({ limit: 10, after: end })).items.map(({ event }) => event.title)).toEqual([
      'Event 3'
    ])
  })
})

describe('queries on SQLite', () => {
  it('are answered alike before the indexes are built, when that was interrupted, and after the next run has done it', async () => {
    const run = await startRun(storage)
    const events = Array.from({ length: 700 }, (_, i) =>
      makeEvent(i, {
        title: `${['Ópera', 'Teatro', '🎭 Mimo'][i % 3]} ${i % 50}`,
        organizer_company_id: i % 4 === 0 ? null : String(i % 4),
        min_price: i % 5 === 0 ? null : (i * 7) % 30,
        sold_out: i % 2 === 0
      })
    )
    await storage.write(run, events)
    await storage.write(
      run,
      events.slice(0, 9).map((event) => ({ ...event, title: 'Changed' }))
    )
    const queries = SORT_KEYS.flatMap((by) =>
      [false, true].flatMap((descending) =>
        [
          {},
          { words: ['opera'] },
          { organizers: ['2'], soldOut: true },
          { zone: { minPrice: 11, numbered: true } }
        ].map((filters) => ask(filters, by, descending))
      )
    )
    const pages = async () => {
      const pages: unknown[] = []
      for (const query of queries) {
        const first = await storage.find(query, { limit: 100 })
        const second = first.next && (await storage.find(query, { limit: 100, after: first.next }))
        pages.push([String(first.json), first.next, second && String(second.json), await storage.count(query, 1000)])
      }
      return pages
    }
    const before = await pages()
    const indexes = () =>
      db
        .prepare("select name from sqlite_schema where tbl_name = 'events'")
        .all()
        .map(({ name }) => name)

    const exec = db.exec.bind(db)
    const failing = vi.spyOn(db, 'exec').mockImplementation((sql) => {
      if (sql.includes('events_by_end')) throw new Error('the process ends')
      exec(sql)
    })
    await expect(endRun(storage, run)).rejects.toThrow('the process ends')
    failing.mockRestore()
    expect(indexes()).toContain('events_by_start')
    expect(indexes()).not.toContain('events_by_end')
    expect(await pages()).toEqual(before)

    await storage.releaseLease(run.lease)
    await endRun(storage, await startRun(storage))
    expect(indexes()).toContain('events_by_end')
    expect(await pages()).toEqual(before)
  })

  it('have the page cache that they had once runs that end at once have built the indexes', async () => {
    const cache = () => db.prepare('pragma cache_size').get()!.cache_size
    const before = cache()
    const runs = [await startRun(storage), await startRun(storage, 'other')]
    for (const run of runs) await storage.write(run, [makeEvent(1, { source: run.source })])
    await Promise.all(runs.map((run) => endRun(storage, run)))
    expect(cache()).toBe(before)
  })

  it('find words of any script, whole ones and the beginning of the last', async () => {
    const shown = ['Straße 日本 ½', 'Ñandú 日本語', 'Ｆｕｌｌ «Ω»', '"or" not a*b ^c']
    await ingest(
      storage,
      shown.map((title, i) => makeEvent(i, { title }))
    )
    const found = (q: string) => titles(ask({ words: toWords(q) }))
    expect(await found('日本')).toEqual(shown.slice(0, 2))
    expect(await found('日本 strasse')).toEqual(shown.slice(0, 1))
    expect(await found('日 strasse')).toEqual([])
    expect(await found('2 日本 1')).toEqual(shown.slice(0, 1))
    expect(await found('nan')).toEqual(shown.slice(1, 2))
    expect(await found('ω full')).toEqual(shown.slice(2, 3))
    expect(await found('not or b c')).toEqual(shown.slice(3))
    expect(await found('near not')).toEqual([])
  })

  it('keep finding words of titles that change', async () => {
    await ingest(storage, [makeEvent(1, { title: 'Óscar y Ana' }), makeEvent(2, { title: 'Oscuro' })])
    expect(await titles(ask({ words: ['osc'] }))).toEqual(['Óscar y Ana', 'Oscuro'])
    await ingest(storage, [
      makeEvent(1, { title: 'Ana' }),
      makeEvent(2, { title: 'Oscuro' }),
      makeEvent(3, { title: 'Ósc' })
    ])
    expect(await titles(ask({ words: ['osc'] }))).toEqual(['Oscuro', 'Ósc'])
    expect(await titles(ask({ words: ['osc', 'oscuro'] }))).toEqual([])
    // Throws where it has other words than the events.
    db.exec("insert into event_words (event_words, rank) values ('integrity-check', 1)")
  })

  it('leave the thread to others meanwhile, and are waited for by who closes', async () => {
    await ingest(
      storage,
      Array.from({ length: 1000 }, (_, i) => makeEvent(i))
    )
    let turns = 0
    const turn = () => {
      turns++
      if (turns < 1000) setImmediate(turn)
    }
    setImmediate(turn)
    const counted = storage.count(ask({ zone: { name: 'nowhere' } }), 10)
    await storage.close()
    expect(await counted).toBe(0)
    expect(turns).toBeGreaterThan(3)
    turns = 1000
  })

  it('that take too long are given up, with advice', async () => {
    await ingest(
      storage,
      Array.from({ length: 1000 }, (_, i) => makeEvent(i))
    )
    let now = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 500))
    try {
      const error = await storage.find(ask({ zone: { name: 'nowhere' } }), { limit: 10 }).catch((error) => error)
      expect(error).toBeInstanceOf(QueryTooSlow)
      expect(error.message).toMatch(/narrow the dates/)
    } finally {
      clock.mockRestore()
    }
  })

  it('share one secret among all processes', async () => {
    const other = createStorage(new DatabaseSync(path), path)
    await other.migrate()
    expect(await other.secret()).toBe(await storage.secret())
    expect(await storage.secret()).toMatch(/^[0-9a-f]{64}$/)
    await other.close()
  })
})
