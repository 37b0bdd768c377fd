import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { LeaseLost, StorageUnavailable, StorageUnusable } from '../../storage/kit/errors.ts'
import type { Event } from '../../storage/kit/event.ts'
import type { EventFilters } from '../../storage/kit/filters.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import { INTERNAL } from '../../storage/mongodb/documents.ts'
import { toFilter } from '../../storage/mongodb/query.ts'
import { createStore, ingest, makeEvent, startRun, type TestStore, whyNot } from './fixtures.ts'

interface Stage {
  stage: string
  indexName?: string
  inputStage?: Stage
  inputStages?: Stage[]
}
const flatten = (stage: Stage): Stage[] => [
  stage,
  ...[stage.inputStage, ...(stage.inputStages ?? [])].filter((one) => one !== undefined).flatMap(flatten)
]

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

  describe('the list query', () => {
    const local = { clock: 'local' as const, at: '2024-05-02T00:00:00' }
    const utc = { clock: 'utc' as const, at: '2024-05-20T00:00:00Z' }
    const queries: [string, EventFilters][] = [
      ['without filters', { match: 'within' }],
      ['as it is by default', { match: 'within', everOnline: true }],
      ['between bounds', { match: 'within', from: local, to: utc, everOnline: true }],
      ['that overlaps', { match: 'overlaps', from: local, to: utc, everOnline: true }],
      ['sold offline', { match: 'starts', from: local, sellMode: 'offline' }]
    ]
    for (const [name, filters] of queries) {
      it(`${name} goes by the index`, async () => {
        for (const after of [undefined, ['2024-05-02T20:00:00Z', makeEvent(1).id]]) {
          const explained = await client
            .db(store.options.database as string)
            .collection('events')
            .find(toFilter(filters, after) as object, { projection: INTERNAL })
            .sort({ starts_at: 1, _id: 1 })
            .hint('events_by_start')
            .limit(21)
            .explain('executionStats')
          const stages = flatten(explained.queryPlanner.winningPlan)
          expect(stages.map((stage) => stage.stage)).not.toContain('COLLSCAN')
          expect(stages.find((stage) => stage.stage === 'IXSCAN')?.indexName).toBe('events_by_start')
          // The stand-in's planner shows a sort for every sort, and its figures leave the limit out.
          if (isMongod) {
            expect(stages.map((stage) => stage.stage)).not.toContain('SORT')
            expect(explained.executionStats.totalDocsExamined).toBeLessThanOrEqual(21)
          }
        }
      })
    }
  })

  it('refuses a database that a newer version wrote', async () => {
    const other = await createStore('mongodb')
    const meta = client.db(other.options.database as string).collection<{ _id: string }>('meta')
    await meta.updateOne({ _id: 'schema' }, { $set: { version: 99 } })
    await expect(other.storage.migrate()).rejects.toThrow(StorageUnusable)
    await expect(other.storage.ping()).rejects.toThrow(StorageUnavailable)
    await other.close()
  })

  it('refuses a holder that was stopped between asking for its lease and writing', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    await ingest(storage, [makeEvent(1), makeEvent(2)])
    const lease = (await storage.takeLease('source:demo', 'stopped', 100))!
    const leases = client.db(other.options.database as string).collection<{ _id: string }>('leases')
    const asItWas = (await leases.findOne({ _id: 'source:demo' }))!
    const stale = await storage.openRun('demo', lease)
    await sleep(150)
    const successor = await startRun(storage)
    // The successor confirms both as they are, which writes neither.
    expect(await storage.write(successor, [makeEvent(1), makeEvent(2)])).toMatchObject({ unchanged: 2 })
    // What the stopped one saw when it asked.
    await leases.replaceOne({ _id: 'source:demo' }, asItWas)
    await expect(storage.write(stale, [makeEvent(1, { title: 'Stale' })])).rejects.toThrow(LeaseLost)
    await expect(storage.delist(stale)).rejects.toThrow(LeaseLost)
    const end = {
      outcome: 'complete' as const,
      reason: null,
      detail: null,
      counts: NO_COUNTS,
      state: { etag: 'stale' }
    }
    await expect(storage.closeRun(stale, end)).rejects.toThrow(LeaseLost)
    await expect(storage.openRun('demo', lease)).rejects.toThrow(LeaseLost)

    const { json } = await storage.find({ match: 'within' }, { limit: 10 })
    const events = JSON.parse(`[${json}]`) as Event[]
    expect(events.map(({ title, status }) => [title, status])).toEqual([
      ['Event 1', 'listed'],
      ['Event 2', 'listed']
    ])
    expect((await storage.sources())[0]!.state).toBeNull()
    expect((await storage.runs('demo', { limit: 1 })).items[0]).toMatchObject({ id: successor.id, outcome: null })
    await other.close()
  })

  it('raises the revision when the run ends, if events were written and counting them failed', async () => {
    const other = await createStore('mongodb')
    const { storage } = other
    const fail = (mode: object | string) =>
      client.db('admin').command({
        configureFailPoint: 'failCommand',
        mode,
        data: { failCommands: ['findAndModify'], closeConnection: true }
      })
    await ingest(storage, [makeEvent(1)])
    const before = await storage.revision()
    const run = await startRun(storage)
    await fail('alwaysOn')
    await expect(storage.write(run, [makeEvent(1, { title: 'Changed' })])).rejects.toThrow(StorageUnavailable)
    await fail('off')
    expect((await storage.get(makeEvent(1).id))!.title).toBe('Changed')
    await storage.closeRun(run, { outcome: 'partial', reason: 'storage', detail: null, counts: NO_COUNTS })
    expect(await storage.revision()).toBeGreaterThan(before)
    await other.close()
  })

  it('survives a connection that is reset once, and says that it is unavailable when more are', async () => {
    const reset = (times: number, command: string) =>
      client.db('admin').command({
        configureFailPoint: 'failCommand',
        mode: times === 0 ? 'off' : { times },
        data: { failCommands: [command], closeConnection: true }
      })
    await reset(1, 'find')
    expect(await store.storage.get(makeEvent(1).id)).not.toBeNull()
    await reset(4, 'find')
    await expect(store.storage.get(makeEvent(1).id)).rejects.toThrow(StorageUnavailable)
    await reset(0, 'find')
    expect(await store.storage.get(makeEvent(1).id)).not.toBeNull()
  })
})
