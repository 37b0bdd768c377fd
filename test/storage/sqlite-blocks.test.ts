import { DatabaseSync, StatementSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createRandom, type Random } from '../../bench/kit/random.ts'
import type { EventPage, Position, Storage } from '../../storage/kit/contract.ts'
import type { EventFilters, EventQuery } from '../../storage/kit/filters.ts'
import { createBlocks } from '../../storage/sqlite/blocks.ts'
import { createDatabase } from '../../storage/sqlite/database.ts'
import { createStore, ingest, makeEvent, type TestStore } from './fixtures.ts'
import { fill } from './oracle/histories.ts'
import { happens, pick } from './oracle/pick.ts'
import { addSeconds, randomTime } from './oracle/random-records.ts'

const BY_START = { by: 'start', descending: false } as const

describe('events that are asked for most on SQLite', () => {
  let store: TestStore
  let reader: Storage
  beforeAll(async () => {
    store = await createStore('sqlite')
    await fill(store.storage, { events: 1500, seed: 5 })
    reader = await store.open(true)
  })
  afterAll(() => store.close())

  it('are the same from memory as from the database, on all pages', async () => {
    const revision = await reader.revision()
    const differences: string[] = []
    for (let i = 0; i < 1500; i++) {
      const random = createRandom(i)
      const query: EventQuery = { filters: randomFilters(random), sort: BY_START }
      const limit = pick(random, [1, 3, 10, 20, 100])
      let after: Position | undefined
      for (let pages = 0; pages < 4; pages++) {
        const page = { limit, ...(after && { after }) }
        const [held, read] = [await reader.find(query, page, revision), await store.storage.find(query, page)]
        if (print(held) !== print(read)) differences.push(`${i} ${JSON.stringify({ query, page })}`)
        if (read.next === null) break
        after = read.next
      }
    }
    expect(differences.slice(0, 5)).toEqual([])

    const query: EventQuery = {
      filters: { match: 'starts', from: { clock: 'local', at: '2000-01-01T00:00:00' }, everOnline: true },
      sort: BY_START
    }
    for (let i = 0; i < 12; i++) await reader.find(query, { limit: 10 }, revision)
    const asked = vi.spyOn(StatementSync.prototype, 'get')
    const held = await reader.find(query, { limit: 10 }, revision)
    expect(asked).not.toHaveBeenCalled()
    asked.mockRestore()
    expect(titles(held)).toHaveLength(10)
  })

  it('are not tried to be held, again and again, where too many start at once, or they are too large', async () => {
    const tied = Array.from({ length: 1500 }, (_, i) => makeEvent(i, { start_date: day(1), end_date: null }))
    const small = Array.from({ length: 20 }, (_, i) => makeEvent(2000 + i, { start_date: addSeconds(day(50), 60 * i) }))
    const zones = [{ zone_id: '1', name: 'y'.repeat(500_000), capacity: 1, price: 1, numbered: false }]
    const large = Array.from({ length: 30 }, (_, i) =>
      makeEvent(3000 + i, { start_date: addSeconds(day(50), 1200 + 60 * i), zones })
    )
    const own = await createStore('sqlite')
    await ingest(own.storage, [...tied, ...small, ...large])
    const db = new DatabaseSync(own.options.path as string)
    const { get } = createDatabase(db, '')
    const read: number[] = []
    const blocks = createBlocks(
      {
        get(sql, ...values) {
          const row = get(sql, ...values)
          read.push(row?.json instanceof Uint8Array ? row.json.length : 0)
          return row
        }
      },
      2 ** 26
    )
    const revision = await own.storage.revision()
    for (const at of [day(1), day(50)]) {
      const query: EventQuery = {
        filters: { match: 'starts', from: { clock: 'utc', at: `${at}Z` }, everOnline: true },
        sort: BY_START
      }
      const ask = () => blocks.find(query, { limit: 10 }, revision, () => own.storage.find(query, { limit: 10 }))
      for (let i = 0; i < 40; i++) await ask()
      const before = read.length
      for (let i = 0; i < 20; i++) await ask()
      expect(read.length - before).toBe(0)
    }
    expect(Math.max(...read)).toBeLessThan(2 ** 23)
    db.close()
    await own.close()
  })

  it('are none while there are none, and are found from then on', async () => {
    const own = await createStore('sqlite')
    const other = await own.open(true)
    const query: EventQuery = {
      filters: { match: 'within', from: { clock: 'utc', at: '2024-01-01T00:00:00Z' }, everOnline: true },
      sort: BY_START
    }
    expect(titles(await other.find(query, { limit: 5 }, await other.revision()))).toEqual([])
    await ingest(own.storage, [makeEvent(1)])
    expect(titles(await other.find(query, { limit: 5 }, await other.revision()))).toEqual(['Event 1'])
    await own.close()
  })

  it('are as they became, for who knows of that', async () => {
    const before = await reader.revision()
    const query: EventQuery = {
      filters: { match: 'starts', from: { clock: 'utc', at: '2031-01-01T00:00:00Z' }, everOnline: true },
      sort: BY_START
    }
    const events = Array.from({ length: 30 }, (_, i) =>
      makeEvent(i, { start_date: `2031-01-02T10:${10 + i}:00`, end_date: null, source: 'later' })
    )
    await ingest(store.storage, events, { source: 'later' })
    const between = await reader.revision()
    expect(between).toBeGreaterThan(before)
    for (let i = 0; i < 5; i++) expect(titles(await reader.find(query, { limit: 5 }, between))[0]).toBe('Event 0')
    await ingest(store.storage, [{ ...events[0]!, title: 'Another' }, ...events.slice(1)], { source: 'later' })
    expect(titles(await reader.find(query, { limit: 5 }, await reader.revision()))[0]).toBe('Another')
    expect(titles(await reader.find(query, { limit: 5 }))[0]).toBe('Another')
  })

  it('are read once, and then answered with from memory, in pieces that lie close together or far apart', async () => {
    // One a day, but 3000 within an hour.
    const sparse = Array.from({ length: 400 }, (_, i) => day(i))
    const dense = Array.from({ length: 3000 }, (_, i) => addSeconds(day(200), i))
    const events = [...sparse, ...dense].map((start, i) => makeEvent(i, { start_date: start, end_date: null }))
    const own = await createStore('sqlite')
    for (let at = 0; at < events.length; at += 1000) {
      await ingest(own.storage, events.slice(at, at + 1000), { complete: false })
    }
    const db = new DatabaseSync(own.options.path as string)
    const database = createDatabase(db, '')
    const blocks = createBlocks(database, 2 ** 24)
    const revision = await own.storage.revision()
    let reads = 0
    const ask = async (start: string, limit = 20) => {
      const query: EventQuery = {
        filters: { match: 'within', from: { clock: 'local', at: start }, everOnline: true },
        sort: BY_START
      }
      const read = async () => {
        reads++
        return own.storage.find(query, { limit })
      }
      const held = await blocks.find(query, { limit }, revision, read)
      expect(print(held)).toBe(print(await own.storage.find(query, { limit })))
    }
    for (const around of [day(50), day(200), addSeconds(day(200), 1500), day(300)]) {
      // Where events lie closer together than they did before, it takes a few more.
      for (let i = 0; i < 12; i++) await ask(addSeconds(around, -3 * i))
      const before = reads
      for (let i = 0; i < 30; i++) await ask(addSeconds(around, -2 * i))
      expect(reads - before).toBe(0)
    }
    db.close()
    await own.close()
  })

  it('are the same from the beginning of 1970 on, by the wall clock', async () => {
    const own = await createStore('sqlite')
    const other = await own.open(true)
    // Wall clocks of Tokyo are nine hours ahead.
    const events = Array.from({ length: 40 }, (_, i) =>
      makeEvent(i, {
        start_date: addSeconds('1970-01-01T00:00:00', 60 * i),
        starts_at: `${addSeconds('1969-12-31T15:00:00', 60 * i)}Z`,
        end_date: null,
        timezone: 'Asia/Tokyo'
      })
    )
    await ingest(own.storage, events)
    const query: EventQuery = {
      filters: { match: 'within', from: { clock: 'local', at: '1970-01-01T00:00:00' }, everOnline: true },
      sort: BY_START
    }
    const revision = await other.revision()
    for (let i = 0; i < 4; i++) {
      expect(titles(await other.find(query, { limit: 2 }, revision))).toEqual(['Event 0', 'Event 1'])
    }
    await own.close()
  })

  it('are asked of the database where more start within a second than a block is to hold', async () => {
    const own = await createStore('sqlite')
    const events = Array.from({ length: 1500 }, (_, i) => makeEvent(i, { start_date: day(0), end_date: null }))
    for (let at = 0; at < events.length; at += 500) {
      await ingest(own.storage, events.slice(at, at + 500), { complete: false })
    }
    const db = new DatabaseSync(own.options.path as string)
    const database = createDatabase(db, '')
    const get = vi.fn(database.get)
    const blocks = createBlocks({ get }, 2 ** 24)
    const revision = await own.storage.revision()
    const query: EventQuery = { filters: { match: 'starts', everOnline: true }, sort: BY_START }
    let after = (await own.storage.find(query, { limit: 20 })).next!
    for (let i = 0; i < 40; i++) {
      const page = { limit: 20, after }
      const read = await own.storage.find(query, page)
      expect(print(await blocks.find(query, page, revision, () => read))).toBe(print(read))
      after = read.next!
    }
    // How they lie, and that there are too many.
    expect(get.mock.calls.length).toBeLessThan(8)
    db.close()
    await own.close()
  })

  it('are not held together where something is written while they are read', async () => {
    const own = await createStore('sqlite')
    const events = Array.from({ length: 40 }, (_, i) => makeEvent(i, { start_date: day(i), end_date: null }))
    await ingest(own.storage, events)
    const db = new DatabaseSync(own.options.path as string)
    const database = createDatabase(db, '')
    let writes = 0
    const blocks = createBlocks(
      {
        get(sql, ...values) {
          if (sql.includes('json_group_array') && writes++ === 0) {
            db.exec("update meta set value = value + 1 where key = 'revision'")
          }
          return database.get(sql, ...values)
        }
      },
      2 ** 24
    )
    const query: EventQuery = {
      filters: { match: 'starts', from: { clock: 'utc', at: `${day(3)}Z` }, everOnline: true },
      sort: BY_START
    }
    let reads = 0
    const ask = (revision: number) =>
      blocks.find(query, { limit: 5 }, revision, () => {
        reads++
        return own.storage.find(query, { limit: 5 })
      })
    const before = await own.storage.revision()
    for (let i = 0; i < 5; i++) await ask(before)
    expect(writes).toBeGreaterThan(0)
    expect(reads).toBe(5)
    const since = await own.storage.revision()
    expect(since).toBe(before + 1)
    for (let i = 0; i < 5; i++) await ask(since)
    expect(reads).toBe(7)
    db.close()
    await own.close()
  })

  it.each([
    { room: 'none', bytes: 1000, isTaken: false },
    { room: 'less than for all', bytes: 200_000, isTaken: true }
  ])(
    'are read again where there is no room for them, and take that of others in time: $room',
    async ({ bytes, isTaken }) => {
      const db = new DatabaseSync(store.options.path as string)
      const blocks = createBlocks(createDatabase(db, ''), bytes)
      const revision = await reader.revision()
      let reads = 0
      const ask = async (filters: EventFilters) => {
        const query: EventQuery = { filters, sort: BY_START }
        const read = () => {
          reads++
          return store.storage.find(query, { limit: 10 })
        }
        const held = await blocks.find(query, { limit: 10 }, revision, read)
        expect(print(held)).toBe(print(await store.storage.find(query, { limit: 10 })))
      }
      for (let i = 0; i < 200; i++) await ask(randomFilters(createRandom(i)))
      // Some of them were read again; what is after the last event needs no block.
      expect(reads).toBeGreaterThan(150)
      const one: EventFilters = {
        match: 'starts',
        from: { clock: 'utc', at: '2024-03-01T00:00:00Z' },
        everOnline: true
      }
      for (let i = 0; i < 100; i++) await ask(one)
      const before = reads
      await ask(one)
      expect(reads - before).toBe(isTaken ? 0 : 1)
      db.close()
    }
  )
})

const day = (i: number) => addSeconds('2030-01-01T00:00:00', i * 86_400)
const print = ({ json, next }: EventPage) => `${json} ${next}`
const titles = ({ json }: EventPage) => (JSON.parse(`[${json}]`) as { title: string }[]).map(({ title }) => title)

/** Of those that blocks are for, mostly. */
function randomFilters(random: Random): EventFilters {
  const filters: EventFilters = { match: pick(random, ['within', 'starts']) }
  const bound = () => {
    const at = addSeconds(randomTime(random), pick(random, [-3600, -1, 0, 0, 1, 1800]))
    return happens(random, 50) ? { clock: 'local' as const, at } : { clock: 'utc' as const, at: `${at}Z` }
  }
  if (happens(random, 90)) filters.from = bound()
  if (happens(random, 40)) filters.to = bound()
  if (happens(random, 80)) filters.everOnline = true
  if (happens(random, 30)) filters.sellMode = pick(random, ['online', 'online', 'offline'])
  return filters
}
