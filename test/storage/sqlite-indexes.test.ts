import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Storage } from '../../storage/kit/contract.ts'
import { createStorage } from '../../storage/sqlite/storage.ts'
import { endRun, makeEvent, startRun } from './fixtures.ts'

/** What SQLite's clock shows, in seconds. */
let now: number
/** How long each step takes, by that clock. */
let seconds: number
let steps: string[]
let db: DatabaseSync
let storage: Storage
beforeEach(async () => {
  now = 1_800_000_000
  steps = []
  db = new DatabaseSync(':memory:')
  db.function('unixepoch', { varargs: true }, () => now)
  storage = createStorage(db, ':memory:')
  await storage.migrate()
  const exec = db.exec.bind(db)
  vi.spyOn(db, 'exec').mockImplementation((sql) => {
    exec(sql)
    if (!/^(create index|insert into event_words)/.test(sql)) return
    steps.push(sql)
    now += seconds
  })
})
afterEach(() => storage.close())

/** What is left of each lease, in milliseconds. */
async function left() {
  const { now, leases } = await storage.agenda()
  return Object.fromEntries(leases.map(({ name, expires }) => [name, expires - now]))
}

describe('what building the indexes takes', () => {
  it.each([20, -3600])('counts for no lease, whatever the clock does: %i s', async (each) => {
    seconds = each
    await storage.takeLease('expired', 'a', 1000)
    now += 2
    await storage.takeLease('other', 'a', 10_000)
    const run = await startRun(storage)
    await storage.write(run, [makeEvent(1)])
    await endRun(storage, run)
    expect(steps.length).toBeGreaterThan(1)
    expect(await left()).toEqual({ expired: -1000, other: 10_000, 'source:demo': 60_000 })
  })

  it('lets runs that end at once keep their leases, and puts words in once', async () => {
    seconds = 90
    const runs = await Promise.all(['one', 'two'].map((source) => startRun(storage, source)))
    for (const run of runs) await storage.write(run, [makeEvent(1, { source: run.source })])
    await Promise.all(runs.map((run) => endRun(storage, run)))
    expect(steps.filter((sql) => sql.startsWith('insert'))).toHaveLength(1)
    expect(await left()).toEqual({ 'source:one': 60_000, 'source:two': 60_000 })
    expect((await storage.runs('two', { limit: 1 })).items[0]!.outcome).toBe('complete')
  })
})
