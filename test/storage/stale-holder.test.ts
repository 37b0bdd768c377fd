import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Collection, type Db, type FindCursor, MongoClient } from 'mongodb'
import { describe, expect, inject, it } from 'vitest'
import type { OpenRun, Storage } from '../../storage/kit/contract.ts'
import { isStorageFailure, LeaseLost } from '../../storage/kit/errors.ts'
import { rejectId } from '../../storage/kit/rejects.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import { createStorage as createMongodb } from '../../storage/mongodb/storage.ts'
import { createStorage as createSqlite } from '../../storage/sqlite/storage.ts'
import { createStore, delistMissing, endRun, makeEvent, startRun, type TestStore, whyNot } from './fixtures.ts'

// A holder is stopped before each of the commands that a call sends to the database, one after the other, until its
// lease is over and a successor has begun. Then it goes on, as after SIGCONT.

const reject = { reason: 'r', path: '/', raw: 'raw', event_id: null }
const snapshot = { digest: 'd', charset: null, bytes: 4 }
const keep = { count: 1, bytes: 1000 }

/** Each changes something when nobody stops it. */
const CALLS: [string, (storage: Storage, run: OpenRun) => Promise<unknown>][] = [
  ['write of a new event', (storage, run) => storage.write(run, [makeEvent(3, { source: run.source })])],
  ['write of one that is not listed', (storage, run) => write(storage, run, 3, { listed: false })],
  ['write of a changed event', (storage, run) => write(storage, run, 1, {}, 'Stale')],
  ['write of both', (storage, run) => writeBoth(storage, run)],
  ['write of pieces', (storage, run) => write(storage, run, 1, { pieces: new Map([[idOf(run, 1), 'stale']]) })],
  ['delist', (storage, run) => delistMissing(storage, run)],
  ['writeRejects of a new one', (storage, run) => storage.writeRejects(run, [{ ...reject, raw: 'stale' }], 10)],
  ['writeRejects of a known one', (storage, run) => storage.writeRejects(run, [{ ...reject, path: '/stale' }], 10)],
  ['writeRejects beyond most', (storage, run) => storage.writeRejects(run, [], 1)],
  ['deleteRejects', (storage, run) => storage.deleteRejects(run, [rejectId(run.source, reject)])],
  ['writeBody', (storage, run) => storage.writeBody(run, 0, Buffer.from('stale'))],
  ['keepSnapshot', (storage, run) => storage.keepSnapshot(run, { ...snapshot, digest: 'stale' }, keep)],
  [
    'closeRun',
    (storage, run) =>
      storage.closeRun(run, {
        outcome: 'complete',
        reason: null,
        detail: 'stale',
        counts: NO_COUNTS,
        state: { etag: 'stale' },
        circuit: { failures: 9, retry_at: null },
        readWhole: true
      })
  ],
  ['openRun', (storage, run) => storage.openRun(run.source, run.lease)],
  ['keepSnapshot of none', (storage, run) => storage.keepSnapshot(run, null, { count: 0, bytes: 0 })]
]

const idOf = (run: OpenRun, number: number) => makeEvent(number, { source: run.source }).id
const write = (storage: Storage, run: OpenRun, number: number, options = {}, title = `Event ${number}`) =>
  storage.write(run, [makeEvent(number, { source: run.source, title })], options)
const writeBoth = (storage: Storage, run: OpenRun) =>
  storage.write(
    run,
    [1, 3].map((number) => makeEvent(number, { source: run.source, title: 'Stale' }))
  )

/** A source with two events, two rejects and a snapshot. */
async function prepare(storage: Storage, source: string): Promise<OpenRun> {
  const run = await startRun(storage, source)
  await storage.write(run, [makeEvent(1, { source }), makeEvent(2, { source })])
  await storage.writeRejects(run, [reject, { ...reject, raw: 'another' }], 10)
  await storage.writeBody(run, 0, Buffer.from('kept'))
  await storage.keepSnapshot(run, snapshot, keep)
  await endRun(storage, run)
  return run
}

async function readAll(storage: Storage, runs: OpenRun[]) {
  const { source } = runs[0]!
  const bodies: string[] = []
  for (const { id } of runs) for await (const part of storage.readBody(id)) bodies.push(Buffer.from(part).toString())
  return {
    events: String(
      (
        await storage.find(
          { filters: { match: 'within', sources: [source] }, sort: { by: 'start', descending: false } },
          { limit: 10 }
        )
      ).json
    ),
    rejects: (await storage.rejects(source, { limit: 10 })).items,
    state: (await storage.sources()).find((one) => one.source === source),
    snapshots: await storage.snapshots(source),
    runs: (await storage.runs(source, { limit: 10 })).items,
    totals: (await storage.runTotals()).filter((one) => one.source === source),
    bodies
  }
}

describe.skipIf(whyNot('mongodb') !== undefined)('a holder that is stopped on MongoDB', () => {
  /** @returns whether the call was so long that it could be stopped before this command */
  async function stopBefore(
    command: number,
    name: string,
    call: (typeof CALLS)[number][1],
    store: TestStore,
    ms = 300
  ) {
    const server = inject('mongodb') as { url: string }
    await using client = new MongoClient(server.url, { writeConcern: { w: 'majority' } })
    const pause = Promise.withResolvers<void>()
    const resume = Promise.withResolvers<void>()
    let left = Number.POSITIVE_INFINITY
    const stopped = createMongodb(
      client,
      beforeEach(client.db(store.options.database as string), async () => {
        if (--left !== 0) return
        pause.resolve()
        await resume.promise
      })
    )
    const { storage } = store
    const source = `${name} ${command} ${ms}`
    const first = await prepare(storage, source)
    await client.connect()
    const lease = (await storage.takeLease(`source:${source}`, 'stopped', ms))!
    const stale = await storage.openRun(source, lease).catch((error) => error)
    if (stale instanceof LeaseLost || isStorageFailure(stale)) return stopBefore(command, name, call, store, ms * 2)
    left = command
    const result = call(stopped, stale).then(
      () => 'done',
      (error) => error
    )
    const ended = await Promise.race([result, pause.promise])
    if (ended === 'done') return false
    // This machine is too slow for so short a lease.
    if (ended !== undefined) return stopBefore(command, name, call, store, ms * 2)

    await sleep(ms)
    const successor = await startRun(storage, source)
    // As they are, which writes neither.
    const events = [makeEvent(1, { source }), makeEvent(2, { source })]
    await storage.write(successor, events)
    const before = await readAll(storage, [first, stale])
    resume.resolve()
    const error = await result
    if (error !== 'done') expect(error, source).toBeInstanceOf(LeaseLost)
    expect(await readAll(storage, [first, stale]), source).toEqual(before)
    return true
  }

  it('writes nothing once its successor has begun, wherever it was stopped', { timeout: 600_000 }, async () => {
    const store = await createStore('mongodb')
    const stops = await Promise.all(
      CALLS.map(async ([name, call]) => {
        let command = 1
        while (await stopBefore(command, name, call, store)) command++
        return command - 1
      })
    )
    // It asks for its lease, and writes: each of them was stopped before both.
    for (const [i, [name]] of CALLS.entries()) expect(stops[i], name).toBeGreaterThanOrEqual(2)
    await store.close()
  })
})

/** A database that calls back before each command. */
function beforeEach(db: Db, callback: () => Promise<void>): Db {
  const ofCursor = (cursor: FindCursor): FindCursor =>
    proxy(cursor, (key, method) => {
      if (key === 'toArray') return () => callback().then(() => cursor.toArray())
      if (key === Symbol.asyncIterator) return () => iterate(cursor)
      return (...args) => ofCursor(method(...args) as FindCursor)
    })
  async function* iterate(cursor: FindCursor) {
    await callback()
    yield* cursor
  }
  const ofCollection = (collection: Collection): Collection =>
    proxy(collection, (key, method) =>
      key === 'find'
        ? (...args) => ofCursor(method(...args) as FindCursor)
        : (...args) => callback().then(() => method(...args))
    )
  return proxy(db, (key, method) =>
    key === 'collection' ? (...args) => ofCollection(method(...args) as Collection) : method
  )
}

type Method = (...args: unknown[]) => unknown

function proxy<T extends object>(target: T, wrap: (key: string | symbol, method: Method) => Method): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key)
      return typeof value === 'function' ? wrap(key, value.bind(target)) : value
    }
  })
}

describe('a holder that is stopped on SQLite', () => {
  it('writes all or, once it lost the lease, nothing, wherever it was stopped', async () => {
    const store = await createStore('sqlite')
    const path = store.options.path as string
    const connection = new DatabaseSync(path)
    const others = new DatabaseSync(path, { timeout: 0 })
    let left = Number.POSITIVE_INFINITY
    let hasSuccessor: boolean | undefined
    /** Nobody can take a lease while another one writes: the successor is refused as long. */
    function pause() {
      if (--left !== 0) return
      try {
        others.exec("update leases set token = token + 1, holder = 'successor'")
        hasSuccessor = true
      } catch {
        hasSuccessor = false
      }
    }
    const ofStatement = (statement: StatementSync): StatementSync =>
      proxy(statement, (_, method) => (...args) => {
        pause()
        return method(...args)
      })
    const stopped = createSqlite(
      proxy(connection, (key, method) => (...args) => {
        if (key === 'prepare') return ofStatement(method(...args) as StatementSync)
        pause()
        return method(...args)
      }),
      path
    )
    for (const [name, call] of CALLS) {
      let taken = 0
      for (let command = 1; ; command++) {
        const source = `${name} ${command}`
        const first = await prepare(store.storage, source)
        const lease = (await store.storage.takeLease(`source:${source}`, 'stopped', 60_000))!
        const run = await store.storage.openRun(source, lease)
        const before = await readAll(store.storage, [first, run])
        hasSuccessor = undefined
        left = command
        const result = await call(stopped, run).catch((error) => error)
        left = Number.POSITIVE_INFINITY
        const after = await readAll(store.storage, [first, run])
        if (hasSuccessor) {
          taken++
          expect(result, source).toBeInstanceOf(LeaseLost)
          expect(after, source).toEqual(before)
        } else {
          expect(result, source).not.toBeInstanceOf(Error)
          if (name !== 'write of pieces') expect(after, source).not.toEqual(before)
        }
        if (hasSuccessor === undefined) break
      }
      expect(taken, name).toBeGreaterThan(0)
    }
    connection.close()
    others.close()
    await store.close()
  })
})
