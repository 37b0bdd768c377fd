import { setTimeout as sleep } from 'node:timers/promises'
import { BSON, type Db, MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { encodeContent } from '../../storage/kit/encode.ts'
import { Forgotten, LeaseLost, QueryTooSlow, StorageUnavailable, StorageUnusable } from '../../storage/kit/errors.ts'
import type { Event } from '../../storage/kit/event.ts'
import { SORT_KEYS } from '../../storage/kit/filters.ts'
import { rejectId } from '../../storage/kit/rejects.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import { fold } from '../../storage/kit/words.ts'
import { createDatabase } from '../../storage/mongodb/database.ts'
import { createFence, toCommands } from '../../storage/mongodb/fence.ts'
import { createLeases } from '../../storage/mongodb/leases.ts'
import { createMigration } from '../../storage/mongodb/schema.ts'
import { createStore, delistMissing, endRun, ingest, makeEvent, startRun, type TestStore, whyNot } from './fixtures.ts'
import { flattenStages } from './stages.ts'

const THEN = '2024-01-01T00:00:00.000Z'
const LIFE = { status: 'listed', first_seen_at: THEN, updated_at: THEN, delisted_at: null, ever_online: true }

/** What version 1 made and wrote: an event that is listed and one that is not, a run and a reject. */
async function writeVersion1(db: Db): Promise<void> {
  const insert = (collection: string, ...documents: object[]) => db.collection(collection).insertMany(documents)
  await db.collection('events').createIndexes([
    {
      name: 'events_by_start',
      key: { ever_online: 1, starts_at: 1, _id: 1, end: 1, start_date: 1, local_end: 1, sell_mode: 1, source: 1 }
    },
    { name: 'events_by_source', key: { source: 1, status: 1, seq: 1 } }
  ])
  await db.collection('runs').createIndexes([{ name: 'runs_by_source', key: { source: 1, token: -1, _id: -1 } }])
  await db
    .collection('rejects')
    .createIndexes([{ name: 'rejects_by_source', key: { source: 1, last_seen_at: -1, _id: -1 } }])
  const lives = [LIFE, { ...LIFE, status: 'delisted', delisted_at: THEN }]
  const events = lives.map((life, i) => {
    const { content, fingerprint } = encodeContent(makeEvent(i + 1))
    const { id, ...rest } = content
    const internal = { seq: i + 1, fingerprint, token: 7, end: content.ends_at, local_end: content.end_date }
    return { _id: id, ...rest, ...life, ...internal }
  })
  await insert('events', ...events)
  const { duplicates: _later, ...noCounts } = NO_COUNTS
  await insert('runs', {
    _id: 'r1',
    source: 'demo',
    started_at: THEN,
    finished_at: THEN,
    outcome: 'complete',
    reason: null,
    detail: null,
    counts: { ...noCounts, seen: 2, created: 2 },
    token: 7
  })
  const reject = { reason: 'r', path: '/', raw: 'raw', event_id: null }
  await insert('rejects', {
    _id: rejectId('demo', reject),
    source: 'demo',
    run_id: 'r1',
    ...reject,
    first_seen_at: THEN,
    last_seen_at: THEN,
    count: 1
  })
  await insert('sources', { _id: 'demo', token: 7, state: { etag: '1' }, last_success_at: THEN })
  await insert('leases', { _id: 'source:demo', holder: null, token: 7, expires: new Date(THEN), take: 't' })
  await insert('meta', { _id: 'counters', revision: 5, seq: 2 }, { _id: 'schema', version: 1 })
}

const BY_START = { filters: { match: 'within' as const }, sort: { by: 'start' as const, descending: false } }

describe.skipIf(whyNot('mongodb') !== undefined)('MongoDB', () => {
  let store: TestStore
  let client: MongoClient
  let isMongod: boolean
  beforeAll(async () => {
    store = await createStore('mongodb')
    const server = inject('mongodb') as { url: string }
    client = await new MongoClient(server.url).connect()
    isMongod = 'openssl' in (await client.db('admin').command({ buildInfo: 1 }))
    await ingest(
      store.storage,
      Array.from({ length: 200 }, (_, i) => makeEvent(i, { sell_mode: i % 4 ? 'online' : 'offline' }))
    )
  })
  afterAll(async () => {
    await client.close()
    await store.close()
  })

  /** In place of an answer to these commands of the store's. */
  const closeConnections = (to: TestStore, command: string, mode: 'alwaysOn' | 'off' | { times: number }) =>
    client.db('admin').command({
      configureFailPoint: 'failCommand',
      mode,
      data: { failCommands: [command], closeConnection: true, appName: to.options.database }
    })

  it('refuses a database that a newer version wrote', async () => {
    const other = await createStore('mongodb')
    const meta = client.db(other.options.database as string).collection<{ _id: string }>('meta')
    await meta.updateOne({ _id: 'schema' }, { $set: { version: 99 } })
    await expect(other.storage.migrate()).rejects.toThrow(StorageUnusable)
    await expect(other.storage.ping()).rejects.toThrow(StorageUnavailable)
    await other.close()
  })

  it('is never brought back by who stood still while it was migrated by another', async () => {
    const other = await createStore('mongodb')
    const db = client.db(other.options.database as string)
    await db.dropDatabase()
    const database = createDatabase(client, db)
    const overtaken = {
      ...createLeases(database),
      renewLease: async () => {
        await db
          .collection<{ _id: string }>('meta')
          .updateOne({ _id: 'schema' }, { $set: { version: 4 } }, { upsert: true })
        // It was renewed just before it stood still; the next time it is lost.
        overtaken.renewLease = async () => false
        return true
      }
    }
    await expect(createMigration(database, overtaken).migrate()).rejects.toThrow(StorageUnavailable)
    expect(await db.collection<{ _id: string }>('meta').findOne({ _id: 'schema' })).toMatchObject({ version: 4 })
    await other.close()
  })

  it('brings a database of version 1 up to date, and goes on with its documents as they are', async () => {
    const other = await createStore('mongodb')
    const db = client.db(other.options.database as string)
    await db.dropDatabase()
    await writeVersion1(db)
    await expect(other.storage.ping()).rejects.toThrow(StorageUnavailable)
    await Promise.all([other.storage.migrate(), other.open(), other.open()])
    const { storage } = other
    await storage.ping()
    const indexes = (await db.collection('events').indexes()).map((index) => index.name)
    expect(indexes.toSorted()).toEqual([
      '_id_',
      'events_by_base',
      'events_by_change',
      'events_by_end',
      'events_by_price',
      'events_by_starts_at',
      'events_by_title',
      'events_by_updated',
      'events_by_words',
      'events_listed'
    ])

    const [listed, gone] = [makeEvent(1), makeEvent(2)]
    expect(await storage.get(listed.id)).toEqual({ ...listed, ...LIFE })
    expect(await storage.secret()).toMatch(/^[0-9a-f]{64}$/)
    expect(await storage.secret()).toBe(await (await other.open()).secret())
    for (const by of SORT_KEYS) {
      const query = {
        filters: { match: 'within' as const, words: ['event'], zone: { name: 'ñ' } },
        sort: { by, descending: false }
      }
      expect(JSON.parse(`[${(await storage.find(query, { limit: 9 })).json}]`), by).toHaveLength(0)
      const folded = { ...query, filters: { ...query.filters, zone: { name: fold('Ñ'), maxPrice: 10 } } }
      const found = JSON.parse(`[${(await storage.find(folded, { limit: 9 })).json}]`)
      expect(
        found.toSorted((a: Event, b: Event) => a.event_id.localeCompare(b.event_id)),
        by
      ).toEqual([
        { ...listed, ...LIFE },
        { ...gone, ...LIFE, status: 'delisted', delisted_at: THEN }
      ])
    }
    // How they were before is not known; that they are is no change.
    await expect(storage.get(listed.id, THEN)).rejects.toThrow(Forgotten)
    expect((await storage.versions(listed.id, { limit: 9 })).items).toEqual([
      { at: THEN, run_id: null, event: { ...listed, ...LIFE }, before: null }
    ])
    expect((await storage.changes({ since: '2020-01-01T00:00:00.000Z', limit: 9 })).items).toEqual([])
    expect(await storage.sources()).toEqual([
      {
        source: 'demo',
        state: { etag: '1' },
        last_success_at: THEN,
        snapshot_at: null,
        circuit: { failures: 0, retry_at: null },
        suspicion: null
      }
    ])
    expect((await storage.runs('demo', { limit: 10 })).items).toMatchObject([
      { id: 'r1', kind: 'fetch', outcome: 'complete', counts: { ...NO_COUNTS, seen: 2, created: 2 } }
    ])
    expect(await storage.runTotals()).toEqual([])
    expect(await storage.changeTotals()).toEqual([
      { source: 'demo', created: 0, updated: 0, delisted: 0, restored: 0, rejected: 0 }
    ])
    expect(await storage.countEvents()).toEqual([{ source: 'demo', listed: 1, delisted: 1 }])
    expect(await storage.alerts()).toEqual([])
    expect(await storage.snapshots('demo')).toEqual([])

    const event = () => db.collection<{ _id: string }>('events').findOne({ _id: listed.id })
    const asItWas = await event()
    expect(await ingest(storage, [listed])).toMatchObject({ unchanged: 1, delisted: 0 })
    expect(await event()).toEqual(asItWas)

    const run = await startRun(storage)
    expect(run.lease.token).toBe(9)
    const piece = { digest: 'a', ids: [listed.id] }
    expect(await storage.findPieces(run, [piece])).toEqual([null])
    const pieces = new Map([[listed.id, 'a']])
    expect(await storage.write(run, [listed, makeEvent(3)], { pieces })).toMatchObject({ created: 1, unchanged: 1 })
    expect((await db.collection('events').findOne({ event_id: 'e3' }))!.seq).toBe(3)
    expect(await storage.findPieces(run, [piece])).toMatchObject([[expect.any(Number)]])
    expect(await storage.missing(run, THEN)).toEqual({ all: [], future: [], listedFuture: 0 })
    expect(await storage.write(run, [gone])).toMatchObject({ restored: 1 })
    expect((await storage.changes({ since: '2020-01-01T00:00:00.000Z', limit: 9 })).items).toMatchObject([
      { run_id: run.id, event: { event_id: 'e3' }, before: null },
      { run_id: run.id, event: { id: gone.id, status: 'listed' }, before: { id: gone.id, status: 'delisted' } }
    ])
    const reject = { reason: 'r', path: '/new', raw: 'raw', event_id: null }
    await storage.writeRejects(run, [reject], 10)
    expect((await storage.rejects('demo', { limit: 10 })).items).toMatchObject([
      { path: '/new', first_seen_at: THEN, count: 2, run_id: run.id }
    ])
    await storage.writeBody(run, 0, Buffer.from('body'))
    await storage.keepSnapshot(run, { digest: 'd', charset: null, bytes: 4 }, { count: 1, bytes: 9 })
    expect(await storage.snapshots('demo')).toMatchObject([{ run_id: run.id, size: 4 }])
    await endRun(storage, run)
    expect(await storage.runTotals()).toMatchObject([{ source: 'demo', outcome: 'complete', runs: 2 }])
    await other.close()
  })

  it('writes no document of an event that is the same, nor reads one where nothing is missing', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    const stored = client.db(other.options.database as string).collection<{ _id: string }>('events')
    const events = Array.from({ length: 20 }, (_, i) => makeEvent(i))
    const pieces = new Map(events.map((event) => [event.id, event.id]))
    const first = await startRun(storage)
    await storage.write(first, events, { pieces })
    await endRun(storage, first)
    const before = await stored.find().sort({ _id: 1 }).toArray()
    expect(before.every((document) => 'token' in document && document.token === first.lease.token)).toBe(true)

    const run = await startRun(storage)
    const [numbers] = await storage.findPieces(run, [{ digest: events[0]!.id, ids: [events[0]!.id] }])
    for (const number of numbers!) run.met.add(number)
    await storage.meet(run, [events[1]!.id])
    await storage.write(run, events.slice(2), { pieces })
    expect(await delistMissing(storage, run)).toBe(0)
    await endRun(storage, run)
    expect(await stored.find().sort({ _id: 1 }).toArray()).toEqual(before)
    const explained = await stored
      .find({ source: 'demo', status: 'listed' } as object, { projection: { _id: 0, seq: 1, starts_at: 1 } })
      .hint('events_listed')
      .explain('executionStats')
    expect(flattenStages(explained.queryPlanner.winningPlan).map((stage) => stage.stage)).not.toContain('COLLSCAN')
    if (isMongod) expect(explained.executionStats.totalDocsExamined).toBe(0)
    await other.close()
  })

  it('leaves no part of a body that is not kept', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    const bodies = client.db(other.options.database as string).collection('bodies')
    const run = await startRun(storage)
    for (const part of [0, 1]) await storage.writeBody(run, part, Buffer.from('part'))
    expect(await bodies.countDocuments()).toBe(2)
    await storage.keepSnapshot(run, null, { count: 1, bytes: 9 })
    expect(await bodies.countDocuments()).toBe(0)
    await storage.writeBody(run, 0, Buffer.from('part'))
    await storage.releaseLease(run.lease)
    await startRun(storage)
    expect(await bodies.countDocuments()).toBe(0)
    await other.close()
  })

  it('refuses a holder that was stopped between asking for its lease and writing', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    const first = await startRun(storage)
    await storage.write(first, [makeEvent(1), makeEvent(2)])
    const reject = { reason: 'r', path: '/', raw: 'raw', event_id: null }
    await storage.writeRejects(first, [reject], 10)
    const keep = { count: 1, bytes: 1000 }
    await storage.writeBody(first, 0, Buffer.from('kept'))
    await storage.keepSnapshot(first, { digest: 'd', charset: null, bytes: 4 }, keep)
    await endRun(storage, first)
    const lease = (await storage.takeLease('source:demo', 'stopped', 5000))!
    const leases = client.db(other.options.database as string).collection<{ _id: string }>('leases')
    const asItWas = (await leases.findOne({ _id: 'source:demo' }))!
    const stale = await storage.openRun('demo', lease)
    await sleep(5100)
    const successor = await startRun(storage)
    // The successor confirms both as they are, which writes neither.
    expect(await storage.write(successor, [makeEvent(1), makeEvent(2)])).toMatchObject({ unchanged: 2 })
    const versions = client.db(other.options.database as string).collection('versions')
    const seen = async () => ({
      versions: await versions.find().toArray(),
      events: (await storage.find(BY_START, { limit: 10 })).json,
      rejects: await storage.rejects('demo', { limit: 10 }),
      sources: await storage.sources(),
      snapshots: await storage.snapshots('demo'),
      runs: await storage.runs('demo', { limit: 10 }),
      totals: await storage.runTotals()
    })
    const before = await seen()
    // What the stopped one saw when it asked.
    await leases.replaceOne({ _id: 'source:demo' }, asItWas)
    const pieces = new Map([[makeEvent(2).id, 'p']])
    const calls: [string, () => Promise<unknown>][] = [
      ['write', () => storage.write(stale, [makeEvent(1, { title: 'Stale' })])],
      ['write of a new one', () => storage.write(stale, [makeEvent(3)])],
      ['write of pieces', () => storage.write(stale, [makeEvent(2)], { pieces })],
      ['delist', () => storage.delist(stale, [1, 2])],
      ['writeRejects', () => storage.writeRejects(stale, [{ ...reject, path: '/stale' }], 10)],
      ['writeRejects of a new one', () => storage.writeRejects(stale, [{ ...reject, raw: 'stale' }], 10)],
      ['writeRejects beyond most', () => storage.writeRejects(stale, [], 0)],
      ['deleteRejects', () => storage.deleteRejects(stale, [rejectId('demo', reject)])],
      ['writeBody', () => storage.writeBody(stale, 0, Buffer.from('stale'))],
      ['keepSnapshot', () => storage.keepSnapshot(stale, { digest: 's', charset: null, bytes: 5 }, keep)],
      [
        'closeRun',
        () => endRun(storage, stale, { state: { etag: 'stale' }, circuit: { failures: 9, retry_at: null } })
      ],
      ['openRun', () => storage.openRun('demo', lease)]
    ]
    for (const [name, call] of calls) await expect(call(), name).rejects.toThrow(LeaseLost)
    expect(await seen()).toEqual(before)
    for await (const part of storage.readBody(stale.id)) expect.unreachable(`a part of ${part.length} bytes`)
    expect(before.runs.items[0]).toMatchObject({ id: successor.id, outcome: null })
    expect(before.totals).toHaveLength(2)
    await other.close()
  })

  it('lets a command begin in the first half of what is left of its lease, and go on for the other half', () => {
    const now = Date.parse(THEN)
    const lease = { name: 'l', holder: 'h', token: 1, isForOccasion: true, now: () => new Date(now) }
    const inTime = (until: number) => ({ $expr: { $lt: [{ $toLong: '$$NOW' }, until] } })
    const fence = (left: number) => createFence(lease, new Date(now + left))
    expect(fence(15_000)).toEqual({ inTime: inTime(now + 7500), bound: { maxTimeMS: 7500 } })
    expect(fence(300)).toEqual({ inTime: inTime(now + 100), bound: { maxTimeMS: 200 } })
    expect(fence(-5000)).toEqual({ inTime: inTime(now - 5200), bound: { maxTimeMS: 200 } })
  })

  it('asks in every command whether it is in time, also where a batch is too long for one', () => {
    const writes = Array.from({ length: 50 }, (_, i) => ({ replace: { _id: `${i}`, token: 1, text: 'x'.repeat(1e6) } }))
    const commands = [...toCommands(writes, { $expr: {} })]
    expect(commands.length).toBeGreaterThan(2)
    expect(commands.flat()).toHaveLength(50)
    for (const [first, ...rest] of commands) {
      expect(first).toHaveProperty('updateOne.update')
      expect(rest.every((operation) => 'replaceOne' in operation)).toBe(true)
      expect(BSON.calculateObjectSize({ rest })).toBeLessThan(16e6)
    }
  })

  it('delists again when the connection is reset under way', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    await ingest(storage, [makeEvent(1), makeEvent(2)])
    const run = await startRun(storage)
    const { all } = await storage.missing(run, THEN)
    await closeConnections(other, 'update', { times: 1 })
    expect(await storage.delist(run, all)).toBe(2)
    await other.close()
  })

  it('raises the revision when the run ends, if events were written and counting them failed', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    await ingest(storage, [makeEvent(1)])
    const before = await storage.revision()
    const run = await startRun(storage)
    await closeConnections(other, 'findAndModify', 'alwaysOn')
    await expect(storage.write(run, [makeEvent(1, { title: 'Changed' })])).rejects.toThrow(StorageUnavailable)
    await closeConnections(other, 'findAndModify', 'off')
    expect((await storage.get(makeEvent(1).id))!.title).toBe('Changed')
    await storage.closeRun(run, { outcome: 'partial', reason: 'storage', detail: null, counts: NO_COUNTS })
    expect(await storage.revision()).toBeGreaterThan(before)
    await other.close()
  })

  it('counts a run once, as it ended, when the server fails between counting and recording it', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    const run = await startRun(storage)
    await closeConnections(other, 'findAndModify', 'alwaysOn')
    await expect(endRun(storage, run, { state: { etag: 'kept' } })).rejects.toThrow(StorageUnavailable)
    await closeConnections(other, 'findAndModify', 'off')
    // Whoever asks for this one, to do its command again, or for all, hears that it is done.
    const done = { id: run.id, outcome: 'complete', finished_at: expect.any(String) }
    expect(await storage.run('demo', run.id)).toMatchObject(done)
    expect((await storage.runs('demo', { limit: 10 })).items).toMatchObject([done])
    await storage.releaseLease(run.lease)
    const next = await startRun(storage)
    // What it read whole is known to the next one.
    expect(await storage.sources()).toMatchObject([{ state: { etag: 'kept' } }])
    await endRun(storage, next)
    expect((await storage.runs('demo', { limit: 10 })).items).toMatchObject([
      { outcome: 'complete' },
      { id: run.id, outcome: 'complete', finished_at: expect.any(String) }
    ])
    expect(await storage.runTotals()).toMatchObject([{ outcome: 'complete', runs: 2 }])
    await other.close()
  })

  it('survives a connection that is reset once, and says that it is unavailable when more are', async () => {
    await closeConnections(store, 'find', { times: 1 })
    expect(await store.storage.get(makeEvent(1).id)).not.toBeNull()
    await closeConnections(store, 'find', { times: 4 })
    await expect(store.storage.get(makeEvent(1).id)).rejects.toThrow(StorageUnavailable)
    await closeConnections(store, 'find', 'off')
    expect(await store.storage.get(makeEvent(1).id)).not.toBeNull()
  })

  it('says of a query that takes too long what to ask for, and of nothing else', async () => {
    const tooLate = (command: string, mode: 'alwaysOn' | 'off') =>
      client.db('admin').command({
        configureFailPoint: 'failCommand',
        mode,
        data: { failCommands: [command], errorCode: 50, appName: store.options.database }
      })
    await tooLate('find', 'alwaysOn')
    await expect(store.storage.find(BY_START, { limit: 9 })).rejects.toThrow(QueryTooSlow)
    await expect(store.storage.get(makeEvent(1).id)).rejects.toThrow(StorageUnavailable)
    await tooLate('find', 'off')
    await tooLate('aggregate', 'alwaysOn')
    await expect(store.storage.count(BY_START, 9)).rejects.toThrow(QueryTooSlow)
    await tooLate('aggregate', 'off')
    expect(await store.storage.count(BY_START, 9)).toBe(10)
  })
})
