import type { Db, MongoClient } from 'mongodb'
import type { Storage } from '../kit/contract.ts'
import { createDatabase } from './database.ts'
import { createEvents } from './events.ts'
import { createHistory } from './history.ts'
import { createLeases } from './leases.ts'
import { createMigration } from './schema.ts'

export function createStorage(client: MongoClient, db: Db): Storage {
  const database = createDatabase(client, db)
  return {
    ...createEvents(database),
    ...createHistory(database),
    ...createLeases(database),
    ...createMigration(database),
    close: () => client.close()
  }
}
