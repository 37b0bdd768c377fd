import type { Db, MongoClient } from 'mongodb'
import type { Storage } from '../kit/contract.ts'
import { createAlerts } from './alerts.ts'
import { createChanges } from './changes.ts'
import { createCommands } from './commands.ts'
import { createDatabase } from './database.ts'
import { createEvents } from './events.ts'
import { createHistory } from './history.ts'
import { createLeases } from './leases.ts'
import { createListing } from './listing.ts'
import { createRejects } from './rejects.ts'
import { createMigration } from './schema.ts'
import { createSnapshots } from './snapshots.ts'
import { createTotals } from './totals.ts'
import { createVersions } from './versions.ts'
import { createWrite } from './write.ts'

export function createStorage(client: MongoClient, db: Db): Storage {
  const database = createDatabase(client, db)
  const leases = createLeases(database)
  return {
    ...createEvents(database),
    ...createVersions(database),
    ...createChanges(database),
    ...createWrite(database),
    ...createListing(database),
    ...createHistory(database),
    ...createRejects(database),
    ...createSnapshots(database),
    ...leases,
    ...createCommands(database),
    ...createTotals(database),
    ...createAlerts(database),
    ...createMigration(database, leases),
    close: () => client.close()
  }
}
