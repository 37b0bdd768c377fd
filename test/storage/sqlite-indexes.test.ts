import { DatabaseSync } from 'node:sqlite'
import { expect, it, vi } from 'vitest'
import { createStorage } from '../../storage/sqlite/storage.ts'
import { ingest, makeEvent } from './fixtures.ts'

it('what building the indexes takes does not count for the lease, nor does it make it longer', async () => {
  const db = new DatabaseSync(':memory:')
  const storage = createStorage(db, ':memory:')
  await storage.migrate()
  const exec = db.exec.bind(db)
  let built = 0
  vi.spyOn(db, 'exec').mockImplementation((sql) => {
    exec(sql)
    if (!sql.startsWith('create index')) return
    built++
    // As if it had taken so long.
    exec('update leases set expires = expires - 50000')
  })
  await ingest(storage, [makeEvent(1)])
  expect(built).toBeGreaterThan(1)
  const { now, leases } = await storage.agenda()
  const left = leases[0]!.expires - now
  expect(left).toBeGreaterThan(20_000)
  expect(left).toBeLessThanOrEqual(60_000)
  await storage.close()
})
