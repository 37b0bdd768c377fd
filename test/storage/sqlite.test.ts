import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fastify from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeContent } from '../../storage/kit/encode.ts'
import { Forgotten, StorageUnavailable, StorageUnusable } from '../../storage/kit/errors.ts'
import { rejectId } from '../../storage/kit/rejects.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import { toBlob } from '../../storage/sqlite/ids.ts'
import { toSeconds } from '../../storage/sqlite/time.ts'
import { createStore, DRIVERS, endRun, ingest, makeEvent, startRun } from './fixtures.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'event-service-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function open(path: string) {
  const app = fastify()
  try {
    await app.register(DRIVERS.get('sqlite')!, { options: { path, cache_mb: 1 } })
    await app.storage.migrate()
  } catch (error) {
    await app.close()
    throw error
  }
  return app
}

const THEN = '2024-01-01T00:00:00.000Z'
const LIFE = { status: 'listed', first_seen_at: THEN, updated_at: THEN, delisted_at: null, ever_online: true }

/** What version 1 made and wrote: an event that is listed and one that is not, a run and a reject. */
function writeVersion1(path: string): void {
  const db = new DatabaseSync(path)
  db.exec(`pragma journal_mode = wal; pragma user_version = 1;
    create table meta (key text primary key, value integer not null) strict, without rowid;
   insert into meta values ('revision', 0);
   create table sources (no integer primary key, name text not null unique, state text, last_success_at text) strict;
   create table events (
     seq integer primary key, id blob not null unique, source integer not null references sources,
     ever_online integer not null, online integer not null, listed integer not null,
     starts integer not null, ends integer not null, local_start integer not null, local_end integer not null,
     fingerprint text not null, json text not null) strict;
   create index events_by_start on events (ever_online, starts, id, ends, local_start, local_end, online, source);
   create index events_by_source on events (source, listed);
   create table leases (name text primary key, holder text, token integer not null, expires integer not null)
     strict, without rowid;
   create table runs (
     id text primary key, source text not null, token integer not null, started_at text not null, finished_at text,
     outcome text, reason text, detail text, counts text not null) strict, without rowid;
   create index runs_by_source on runs (source, token, id);
   create table rejects (
     id text primary key, source text not null, run_id text not null, reason text not null, path text not null,
     raw text not null, event_id text, first_seen_at text not null, last_seen_at text not null,
     count integer not null) strict, without rowid;
   create index rejects_by_source on rejects (source, last_seen_at, id);`)
  const insert = (table: string, values: (string | number | Uint8Array | null)[]) =>
    db.prepare(`insert into ${table} values (${values.map(() => '?').join(', ')})`).run(...values)
  insert('sources', [1, 'demo', '{"etag":"1"}', THEN])
  const lives = [LIFE, { ...LIFE, status: 'delisted', delisted_at: THEN }]
  for (const [i, life] of lives.entries()) {
    const { content, fingerprint } = encodeContent(makeEvent(i + 1))
    const [starts, ends] = [toSeconds(content.starts_at), toSeconds(content.ends_at!)]
    const json = JSON.stringify({ ...content, ...life })
    const listed = life.status === 'listed' ? 1 : 0
    insert('events', [i + 1, toBlob(content.id), 1, 1, 1, listed, starts, ends, starts, ends, fingerprint, json])
  }
  insert('leases', ['source:demo', null, 7, 0])
  const { duplicates: _later, ...noCounts } = NO_COUNTS
  const counts = JSON.stringify({ ...noCounts, seen: 2, created: 2 })
  insert('runs', ['r1', 'demo', 7, THEN, THEN, 'complete', null, null, counts])
  const reject = { reason: 'r', path: '/', raw: 'raw', event_id: null }
  insert('rejects', [rejectId('demo', reject), 'demo', 'r1', 'r', '/', 'raw', null, THEN, THEN, 1])
  db.close()
}

describe('the SQLite file', () => {
  it('is named when it is no database', async () => {
    const path = join(folder, 'notes.txt')
    await writeFile(
      path,
      'these are notes, not a database, and there are more than a hundred bytes of them. '.repeat(9)
    )
    await expect(open(path)).rejects.toThrow(StorageUnusable)
    await expect(open(path)).rejects.toThrow(path)
  })

  it('is named when its folder cannot be made', async () => {
    await writeFile(join(folder, 'file'), '')
    const path = join(folder, 'file', 'events.db')
    await expect(open(path)).rejects.toThrow(path)
  })

  it('is named when it is a folder', async () => {
    await expect(open(folder)).rejects.toThrow(folder)
  })

  it('is named when it cannot be written', async () => {
    const path = join(folder, 'events.db')
    await (await open(path)).close()
    // Where its journal would go something else lies: that stops root, too.
    await mkdir(`${path}-wal`)
    await expect(open(path)).rejects.toThrow(StorageUnusable)
    await expect(open(path)).rejects.toThrow(path)
  })

  it('is refused when a newer version wrote it', async () => {
    const path = join(folder, 'events.db')
    await (await open(path)).close()
    const db = new DatabaseSync(path)
    db.exec('pragma user_version = 99')
    db.close()
    await expect(open(path)).rejects.toThrow(/newer Event Service/)
  })

  it('of version 1 is brought up to date with what is in it', async () => {
    const path = join(folder, 'events.db')
    writeVersion1(path)
    const app = await open(path)
    const { storage } = app
    const [listed, gone] = [makeEvent(1), makeEvent(2)]
    expect(await storage.get(listed.id)).toEqual({ ...listed, ...LIFE })
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
    const sorted = {
      filters: { match: 'within' as const, words: ['event'] },
      sort: { by: 'title' as const, descending: true }
    }
    const found = JSON.parse(`[${(await storage.find(sorted, { limit: 10 })).json}]`) as { title: string }[]
    expect(found.map(({ title }) => title)).toEqual(['Event 2', 'Event 1'])
    expect((await storage.changes({ limit: 10 })).items.map(({ event, before }) => [event.title, before])).toEqual([
      ['Event 1', null],
      ['Event 2', null]
    ])
    expect(await storage.lastChange()).toEqual(['2', expect.stringMatching(/^\d+$/)])
    // Its history begins now.
    await expect(storage.get(listed.id, THEN)).rejects.toThrow(Forgotten)
    expect(await storage.get(listed.id, new Date().toISOString())).toEqual({ ...listed, ...LIFE })

    const run = await startRun(storage)
    expect(run.lease.token).toBe(8)
    const piece = { digest: 'a', ids: [listed.id] }
    expect(await storage.findPieces(run, [piece])).toEqual([null])
    const pieces = new Map([[listed.id, 'a']])
    expect(await storage.write(run, [listed, makeEvent(3)], { pieces })).toMatchObject({ created: 1, unchanged: 1 })
    expect(await storage.findPieces(run, [piece])).toMatchObject([[expect.any(Number)]])
    expect(await storage.missing(run, '2024-01-01T00:00:00Z')).toEqual({ all: [], future: [], listedFuture: 0 })
    expect(await storage.write(run, [gone])).toMatchObject({ restored: 1 })
    await storage.writeRejects(run, [{ reason: 'r', path: '/new', raw: 'raw', event_id: null }], 10)
    expect((await storage.rejects('demo', { limit: 10 })).items).toMatchObject([
      { path: '/new', first_seen_at: THEN, count: 2, run_id: run.id }
    ])
    await storage.writeBody(run, 0, Buffer.from('body'))
    await storage.keepSnapshot(run, { digest: 'd', charset: null, bytes: 4 }, { count: 1, bytes: 9 })
    expect(await storage.snapshots('demo')).toMatchObject([{ run_id: run.id, size: 4 }])
    await endRun(storage, run)
    expect(await storage.runTotals()).toMatchObject([{ source: 'demo', outcome: 'complete', runs: 1 }])
    await app.close()
  })

  it('has no part of a body that is not kept', async () => {
    const store = await createStore('sqlite')
    const { storage } = store
    const db = new DatabaseSync(store.options.path as string)
    const parts = () => db.prepare('select count(*) as n from bodies').get()!.n
    const run = await startRun(storage)
    for (const part of [0, 1]) await storage.writeBody(run, part, Buffer.from('part'))
    expect(parts()).toBe(2)
    await storage.keepSnapshot(run, null, { count: 1, bytes: 9 })
    expect(parts()).toBe(0)
    await storage.writeBody(run, 0, Buffer.from('part'))
    await storage.releaseLease(run.lease)
    await startRun(storage)
    expect(parts()).toBe(0)
    db.close()
    await store.close()
  })

  it('answers as unavailable, not with its own errors, when it breaks under way', async () => {
    const store = await createStore('sqlite')
    await ingest(store.storage, [makeEvent(1)])
    const db = new DatabaseSync(store.options.path as string)
    db.exec('drop table rejects')
    db.close()
    const error = await store.storage.rejects('demo', { limit: 1 }).catch((error) => error)
    expect(error).toBeInstanceOf(StorageUnavailable)
    await store.close()
  })
})

it('SQLite keeps times as Date has them', () => {
  const first = Date.parse('0001-01-01T00:00:00Z') / 1000
  const last = Date.parse('9999-12-31T23:59:59Z') / 1000
  const step = 86_400 * 11 + 4567
  for (let seconds = first; seconds <= last; seconds += step) {
    const instant = `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
    if (toSeconds(instant) !== seconds) expect(toSeconds(instant), instant).toBe(seconds)
  }
  for (const day of ['1970-01-01', '2000-02-29', '2000-03-01', '1900-02-28', '1900-03-01', '2024-12-31']) {
    expect(toSeconds(`${day}T23:59:59`), day).toBe(Date.parse(`${day}T23:59:59Z`) / 1000)
  }
})
