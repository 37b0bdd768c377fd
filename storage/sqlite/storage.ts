import type { DatabaseSync } from 'node:sqlite'
import type { Storage } from '../kit/contract.ts'
import { StorageUnavailable, StorageUnusable } from '../kit/errors.ts'
import { createDatabase } from './database.ts'
import { createEvents } from './events.ts'
import { createHistory } from './history.ts'
import { createLeases } from './leases.ts'
import { isMigrated, migrate } from './schema.ts'

export function createStorage(db: DatabaseSync, path: string): Storage {
  const database = createDatabase(db, path)
  return {
    ...createEvents(database),
    ...createHistory(database),
    ...createLeases(database),

    ping: () =>
      database.attempt(() => {
        if (!isMigrated(db)) throw new StorageUnavailable(`the SQLite file ${path} is not migrated yet`)
      }),
    migrate: async () => {
      try {
        migrate(db, path)
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_SQLITE_ERROR') throw error
        throw new StorageUnusable(`the SQLite file ${path} cannot be set up: ${(error as Error).message}`, {
          cause: error
        })
      }
    },
    close: async () => {
      if (db.isOpen) db.close()
    }
  }
}
