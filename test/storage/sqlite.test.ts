import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fastify from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StorageUnavailable, StorageUnusable } from '../../storage/kit/errors.ts'
import type { EventFilters } from '../../storage/kit/filters.ts'
import { selectEvents } from '../../storage/sqlite/query.ts'
import { createStore, DRIVERS, ingest, makeEvent } from './fixtures.ts'

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

describe('the list query on SQLite', () => {
  const local = { clock: 'local' as const, at: '2024-05-02T00:00:00' }
  const utc = { clock: 'utc' as const, at: '2024-05-03T00:00:00Z' }
  const after = ['2024-05-02T20:00:00Z', makeEvent(1).id]
  const queries: [string, EventFilters][] = [
    ['without filters', { match: 'within' }],
    ['as it is by default', { match: 'within', everOnline: true }],
    ['between wall-clock times', { match: 'within', from: local, to: local, everOnline: true }],
    ['between instants', { match: 'within', from: utc, to: utc, everOnline: true }],
    ['that starts between', { match: 'starts', from: local, to: utc }],
    ['that overlaps', { match: 'overlaps', from: local, to: utc, everOnline: true }],
    ['sold online', { match: 'within', from: local, sellMode: 'online' }],
    ['sold offline', { match: 'within', from: local, sellMode: 'offline' }],
    ['of a source', { match: 'within', from: local, source: 'demo', everOnline: true }]
  ]
  for (const [name, filters] of queries) {
    it(`${name} is a search in the index, with no scan of events and no sort`, async () => {
      const store = await createStore('sqlite')
      const db = new DatabaseSync(store.options.path as string)
      for (const page of [{ limit: 20 }, { limit: 20, after }]) {
        const { sql, values } = selectEvents(filters, page)
        const plan = db
          .prepare(`explain query plan ${sql}`)
          .all(...values)
          .map((row) => String(row.detail))
        expect(
          plan.filter((step) => /events USING.* INDEX events_by_start \(ever_online=\?/.test(step)).length
        ).toBeGreaterThan(0)
        expect(plan.filter((step) => /SCAN events|TEMP B-TREE|AUTOMATIC/.test(step))).toEqual([])
        // With a cursor the range begins there.
        if ('after' in page)
          expect(
            plan.some((step) => step.includes('(starts,id)>(?,?)')),
            plan.join('\n')
          ).toBe(true)
      }
      db.close()
      await store.close()
    })
  }
})

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
