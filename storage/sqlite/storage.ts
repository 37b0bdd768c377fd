import type { DatabaseSync } from 'node:sqlite'
import type { Storage } from '../kit/contract.ts'
import { StorageUnavailable, StorageUnusable } from '../kit/errors.ts'
import { createAlerts } from './alerts.ts'
import { createBlocks } from './blocks.ts'
import { createChanges } from './changes.ts'
import { createCommands } from './commands.ts'
import { createDatabase } from './database.ts'
import { createEvents } from './events.ts'
import { createHistory } from './history.ts'
import { createLeases } from './leases.ts'
import { createListing } from './listing.ts'
import { createRejects } from './rejects.ts'
import { isMigrated, migrate } from './schema.ts'
import { createSnapshots } from './snapshots.ts'
import { createTotals } from './totals.ts'
import { createWrite } from './write.ts'

/** SQLITE_BUSY and SQLITE_LOCKED: another process is at it. */
const BUSY = [5, 6]

/** @param blockBytes for parts of the list in memory; 0: none */
export function createStorage(db: DatabaseSync, path: string, blockBytes = 0): Storage {
  const database = createDatabase(db, path)
  const blocks = blockBytes === 0 ? undefined : createBlocks(database, blockBytes)
  return {
    ...createEvents(database, blocks),
    ...createChanges(database),
    ...createWrite(database),
    ...createListing(database),
    ...createHistory(database),
    ...createRejects(database),
    ...createSnapshots(database),
    ...createLeases(database),
    ...createCommands(database),
    ...createTotals(database),
    ...createAlerts(database),

    ping: () =>
      database.attempt(() => {
        if (!isMigrated(db)) throw new StorageUnavailable(`the SQLite file ${path} is not migrated yet`)
      }),
    migrate: async () => {
      try {
        migrate(db, path)
      } catch (error) {
        const { code, errcode, message } = error as { code?: string; errcode?: number; message: string }
        if (code !== 'ERR_SQLITE_ERROR') throw error
        if (BUSY.includes((errcode ?? 0) & 0xff)) throw new StorageUnavailable(`the SQLite file ${path}: ${message}`)
        throw new StorageUnusable(
          `the SQLite file ${path} cannot be set up: ${message}. Check that this user may write to it and its folder`,
          {
            cause: error
          }
        )
      }
    },
    close: async () => {
      await database.settled()
      if (db.isOpen) db.close()
    }
  }
}
