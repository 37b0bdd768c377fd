import { MongoServerError } from 'mongodb'
import type { Storage } from '../kit/contract.ts'
import { StorageUnavailable, StorageUnusable } from '../kit/errors.ts'
import { type Database, READ } from './database.ts'

const SCHEMA_VERSION = 2
const INDEX_NOT_FOUND = 27

export function createMigration(database: Database): Pick<Storage, 'ping' | 'migrate'> {
  const { events, runs, rejects, bodies, meta, attempt } = database
  return {
    ping: () =>
      attempt(async () => {
        const schema = await meta.findOne({ _id: 'schema' }, READ)
        if (schema?.version !== SCHEMA_VERSION)
          throw new StorageUnavailable('MongoDB: the database is not migrated yet')
      }),

    migrate: () =>
      attempt(async () => {
        const version = (await meta.findOne({ _id: 'schema' }, READ))?.version ?? 0
        if (version > SCHEMA_VERSION) {
          throw new StorageUnusable(
            `the database ${meta.dbName} was written by a newer Event Service (schema ${version}, this one knows ` +
              `${SCHEMA_VERSION}): run that version, or set [mongodb] database to another one`
          )
        }
        if (version === SCHEMA_VERSION) return
        await events.createIndexes([
          // Every field that a filter reads, so that a document is read only when it is in the answer.
          {
            name: 'events_by_start',
            key: { ever_online: 1, starts_at: 1, _id: 1, end: 1, start_date: 1, local_end: 1, sell_mode: 1, source: 1 }
          },
          // Every field that says what is missing.
          { name: 'events_listed', key: { source: 1, status: 1, seq: 1, starts_at: 1 } }
        ])
        await runs.createIndexes([{ name: 'runs_by_source', key: { source: 1, token: -1, _id: -1 } }])
        await rejects.createIndexes([{ name: 'rejects_by_source', key: { source: 1, last_seen_at: -1, _id: -1 } }])
        await bodies.createIndexes([{ name: 'bodies_by_source', key: { source: 1, run_id: 1 } }])
        if (version === 1) await dropOldIndex(database)
        await meta.updateOne({ _id: 'counters' }, { $setOnInsert: { revision: 0, seq: 0 } }, { upsert: true })
        await meta.updateOne({ _id: 'schema' }, { $set: { version: SCHEMA_VERSION } }, { upsert: true })
      })
  }
}

/** Of version 1; `events_listed` is in its place. Another process may have dropped it already. */
async function dropOldIndex({ events }: Database): Promise<void> {
  await events.dropIndex('events_by_source').catch((error) => {
    if (!(error instanceof MongoServerError && error.code === INDEX_NOT_FOUND)) throw error
  })
}
