import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import type { ChangePage, ChangesRequest, OpenRun, Storage } from '../../storage/kit/contract.ts'
import { Forgotten } from '../../storage/kit/errors.ts'
import { createDatabase } from '../../storage/mongodb/database.ts'
import { createListing } from '../../storage/mongodb/listing.ts'
import { versionId } from '../../storage/mongodb/versions.ts'
import { createWrite } from '../../storage/mongodb/write.ts'
import { ask } from '../ask.ts'
import { createStore, delistMissing, endRun, ingest, makeEvent, startRun, type TestStore, whyNot } from './fixtures.ts'

const of = (source: string, number: number, title = `Event ${number}`) => makeEvent(number, { source, title })

/** All pages from there on, told as what became of whom. */
async function follow(storage: Storage, from: ChangesRequest) {
  const told: string[] = []
  let request = from
  let page: ChangePage
  do {
    page = await storage.changes(request)
    expect(page.items.length).toBeLessThanOrEqual(from.limit)
    for (const { event, before } of page.items) {
      const what = event.status === 'delisted' ? 'gone' : event.title
      told.push(`${event.source} ${event.event_id}: ${before === null ? '' : `${before.title} → `}${what}`)
    }
    if (page.items.length > 0) expect(page.next).toEqual(page.items.at(-1)!.position)
    request = { limit: from.limit, after: page.next }
  } while (page.hasMore)
  return { told, next: page.next }
}

describe.skipIf(whyNot('mongodb') !== undefined)('histories on MongoDB', () => {
  let store: TestStore
  let storage: Storage
  let client: MongoClient
  beforeEach(async () => {
    store = await createStore('mongodb')
    storage = store.storage
    client = await new MongoClient((inject('mongodb') as { url: string }).url).connect()
  })
  afterEach(async () => {
    await client.close()
    await store.close()
  })
  const db = () => client.db(store.options.database as string)

  /** What a process does that is gone after it has kept the former states, and before it writes the new ones. */
  function dying() {
    const database = createDatabase(client, db())
    const writeFenced: typeof database.writeFenced = async (run, collection, ...rest) => {
      if (collection.collectionName === 'events') throw new Error('gone')
      return database.writeFenced(run, collection, ...rest)
    }
    const half = { ...database, writeFenced }
    return { ...createWrite(half), ...createListing(half) }
  }

  describe('changes', () => {
    it('are told in the order of each source, once, whatever the size of a page', async () => {
      await ingest(storage, [of('a', 1), of('a', 2)], { source: 'a' })
      await ingest(storage, [of('b', 1)], { source: 'b' })
      await ingest(storage, [of('a', 1, 'New'), of('a', 3)], { source: 'a' })
      await ingest(storage, [of('b', 1)], { source: 'b' })
      await ingest(storage, [of('a', 1, 'Newer'), of('a', 2)], { source: 'a' })
      const expected = [
        'a e1: Event 1',
        'a e2: Event 2',
        'b e1: Event 1',
        'a e1: Event 1 → New',
        'a e3: Event 3',
        'a e2: Event 2 → gone',
        'a e1: New → Newer',
        'a e2: Event 2 → Event 2',
        'a e3: Event 3 → gone'
      ]
      for (const limit of [1, 2, 4, 100]) {
        const { told, next } = await follow(storage, { limit } as ChangesRequest)
        expect(told).toEqual(expected)
        expect(next).toEqual(await storage.lastChange())
      }
    })

    it('go on where they ended, also of a source that is new, and of one event that changes each time', async () => {
      expect(await follow(storage, { limit: 2 } as ChangesRequest)).toEqual({ told: [], next: ['{}', ''] })
      let next = await storage.lastChange()
      for (const [i, source] of ['b', 'a', 'b', 'c', 'b'].entries()) {
        await ingest(storage, [of(source, 1, `Title ${i}`)], { source })
        const page = await follow(storage, { limit: 2, after: next })
        expect(page.told).toHaveLength(1)
        expect(page.told[0]).toMatch(new RegExp(`^${source} e1: .*Title ${i}$`))
        next = page.next
      }
      expect(await follow(storage, { limit: 2, after: next })).toEqual({ told: [], next })
    })

    it('are those since a time, of runs that began before it, too', async () => {
      await ingest(storage, [of('a', 1)], { source: 'a' })
      const run = await startRun(storage, 'b')
      await storage.write(run, [of('b', 1), of('b', 2)])
      await sleep(2)
      const since = run.lease.now().toISOString()
      expect((await storage.changes({ since, limit: 9 })).items).toEqual([])
      const { next } = await storage.changes({ since, limit: 9 })
      await storage.write(run, [of('b', 1, 'Late'), of('b', 3)])
      await storage.write(run, [of('b', 1, 'Later')])
      await endRun(storage, run)
      await ingest(storage, [of('c', 1)], { source: 'c' })
      const late = ['b e1: Event 1 → Late', 'b e3: Event 3', 'b e1: Late → Later', 'c e1: Event 1']
      for (const limit of [1, 9]) {
        expect((await follow(storage, { since, limit })).told).toEqual(late)
        expect((await follow(storage, { after: next, limit })).told).toEqual(late)
      }
      expect((await follow(storage, { since: '2024-01-01T00:00:00.000Z', limit: 9 })).told).toHaveLength(7)
      expect((await follow(storage, { since: '2999-01-01T00:00:00.000Z', limit: 9 })).told).toEqual([])
    })

    it('are in order also where several runs share a lease', async () => {
      const first = await startRun(storage, 'a')
      await storage.write(first, [of('a', 1), of('a', 2)])
      const second = await storage.openRun('a', first.lease)
      await storage.write(second, [of('a', 1, 'New')])
      await endRun(storage, second)
      const expected = ['a e1: Event 1', 'a e2: Event 2', 'a e1: Event 1 → New']
      expect((await follow(storage, { limit: 1 } as ChangesRequest)).told).toEqual(expected)
    })

    it('are none where an event is the same, or only its piece is another one', async () => {
      await ingest(storage, [of('a', 1)], { source: 'a' })
      const after = await storage.lastChange()
      const run = await startRun(storage, 'a')
      await storage.write(run, [of('a', 1)], { pieces: new Map([[of('a', 1).id, 'piece']]) })
      await endRun(storage, run)
      expect(await storage.changes({ after, limit: 9 })).toEqual({ items: [], next: after, hasMore: false })
      expect((await storage.versions(of('a', 1).id, { limit: 9 })).items).toHaveLength(1)
    })

    it('pass over none while they are read', async () => {
      const numbers = Array.from({ length: 5 }, (_, i) => i)
      const rounds = 8
      const writing = (async () => {
        for (let round = 0; round < rounds; round++) {
          await ingest(
            storage,
            numbers.map((number) => of('a', number, `Round ${round}`)),
            { source: 'a' }
          )
        }
      })()
      const told: string[] = []
      let after = await storage.lastChange()
      let isOver = false
      writing.finally(() => {
        isOver = true
      })
      for (let isLast = false; !isLast; ) {
        isLast = isOver
        const page = await follow(storage, { limit: 3, after })
        told.push(...page.told)
        after = page.next
      }
      await writing
      expect(told).toHaveLength(numbers.length * rounds)
      expect(new Set(told).size).toBe(told.length)
    })
  })

  it('shows a former state of an event page by page, and which run made it', async () => {
    const runs: OpenRun[] = []
    for (const title of ['A', 'B', 'C', 'D']) {
      const run = await startRun(storage)
      await storage.write(run, [of('demo', 1, title)])
      await endRun(storage, run)
      runs.push(run)
    }
    const { id } = of('demo', 1)
    const told: unknown[] = []
    let after: string[] | undefined
    do {
      const page = await storage.versions(id, { limit: 1, ...(after && { after }) })
      expect(page.items).toHaveLength(1)
      told.push(...page.items.map(({ run_id, event, before }) => [run_id, event.title, before?.title]))
      after = page.next ?? undefined
    } while (after !== undefined)
    expect(told).toEqual([
      [runs[3]!.id, 'D', 'C'],
      [runs[2]!.id, 'C', 'B'],
      [runs[1]!.id, 'B', 'A'],
      [runs[0]!.id, 'A', undefined]
    ])
    expect(await storage.versions(of('demo', 2).id, { limit: 9 })).toEqual({ items: [], next: null })
  })

  it('passes over what was kept by a process that was gone before it wrote, and keeps it anew', async () => {
    const [one, two] = [of('demo', 1), of('demo', 2)]
    await ingest(storage, [one, two])
    const asItWas = await storage.get(one.id)
    const run = await startRun(storage)
    await expect(dying().write(run, [of('demo', 1, 'Never')])).rejects.toThrow('gone')
    await expect(dying().delist(run, [1, 2])).rejects.toThrow('gone')
    await storage.releaseLease(run.lease)
    expect(await db().collection('versions').countDocuments()).toBe(2)

    const { updated_at } = asItWas!
    const later = new Date(Date.parse(updated_at) + 1).toISOString()
    for (const asOf of [undefined, updated_at, later]) {
      const found = await storage.find({ ...ask(), ...(asOf && { asOf }) }, { limit: 9 })
      expect(JSON.parse(`[${found.json}]`)).toHaveLength(2)
      expect(await storage.count({ ...ask(), ...(asOf && { asOf }) }, 9)).toBe(2)
      expect(await storage.get(one.id, asOf)).toEqual(asItWas)
    }
    expect((await storage.versions(one.id, { limit: 9 })).items).toHaveLength(1)
    expect((await follow(storage, { limit: 1 } as ChangesRequest)).told).toEqual([
      'demo e1: Event 1',
      'demo e2: Event 2'
    ])

    await sleep(2)
    await ingest(storage, [of('demo', 1, 'At last')], { complete: false })
    expect(await db().collection('versions').countDocuments()).toBe(2)
    const now = (await storage.get(one.id))!.updated_at
    const justBefore = new Date(Date.parse(now) - 1).toISOString()
    expect(await storage.get(one.id, justBefore)).toEqual(asItWas)
    expect((await storage.versions(one.id, { limit: 9 })).items).toMatchObject([
      { at: now, event: { title: 'At last' }, before: { title: 'Event 1' } },
      { at: updated_at, before: null }
    ])
    // The other one still is what it was.
    expect((await storage.get(two.id, now))!.status).toBe('listed')
  })

  it('forgets what was replaced before a time, and says so of what it is asked of before it', async () => {
    const { id } = of('demo', 1)
    for (const title of ['A', 'B', 'C']) {
      await ingest(storage, [of('demo', 1, title)])
      await sleep(2)
    }
    const [c, b, a] = (await storage.versions(id, { limit: 9 })).items
    expect((await storage.get(id, a!.at))!.title).toBe('A')
    await storage.prune({ runs: 9, historySince: b!.at })
    expect((await storage.versions(id, { limit: 9 })).items).toMatchObject([
      { event: { title: 'C' }, before: { title: 'B' } },
      { event: { title: 'B' }, before: null }
    ])
    expect((await storage.get(id, b!.at))!.title).toBe('B')
    await expect(storage.get(id, a!.at)).rejects.toThrow(Forgotten)
    await expect(storage.find({ ...ask(), asOf: a!.at }, { limit: 9 })).rejects.toThrow(Forgotten)
    await expect(storage.count({ ...ask(), asOf: a!.at }, 9)).rejects.toThrow(Forgotten)
    // Never back, and no further than it is told.
    await storage.prune({ runs: 9, historySince: a!.at })
    await storage.prune({ runs: 9 })
    await expect(storage.get(id, a!.at)).rejects.toThrow(Forgotten)
    await storage.prune({ runs: 9, historySince: c!.at })
    expect(await db().collection('versions').countDocuments()).toBe(0)
    expect((await storage.get(id))!.title).toBe('C')
  })

  it('never goes back in time, whatever the clock of a run says', async () => {
    const { id } = of('demo', 1)
    await ingest(storage, [of('demo', 1, 'A'), of('demo', 2)])
    const { updated_at } = (await storage.get(id))!
    const run = await startRun(storage)
    const slow = { ...run, lease: { ...run.lease, now: () => new Date('2024-01-01T00:00:00Z') } }
    const database = createDatabase(client, db())
    await createWrite({ ...database, fenced: (_run, work) => database.fenced(run, work) }).write(slow, [
      of('demo', 1, 'B')
    ])
    expect(await storage.get(id)).toMatchObject({ title: 'B', updated_at })
    // Of two states of one millisecond, the later one.
    expect(await storage.get(id, updated_at)).toMatchObject({ title: 'B' })
    expect((await storage.versions(id, { limit: 9 })).items.map(({ at }) => at)).toEqual([updated_at, updated_at])
  })

  it('keeps of an event that was delisted and came back what it was each time', async () => {
    await ingest(storage, [of('demo', 1), of('demo', 2)])
    await ingest(storage, [of('demo', 2)])
    const run = await startRun(storage)
    await storage.write(run, [of('demo', 1), of('demo', 2)])
    expect(await delistMissing(storage, run)).toBe(0)
    await endRun(storage, run)
    const { items } = await storage.versions(of('demo', 1).id, { limit: 9 })
    expect(items.map(({ event }) => event.status)).toEqual(['listed', 'delisted', 'listed'])
    const kept = await db().collection<{ _id: string }>('versions').find().sort({ _id: 1 }).toArray()
    expect(kept.map(({ _id }) => _id)).toEqual([1, 2].map((version) => versionId(of('demo', 1).id, version)))
  })
})
