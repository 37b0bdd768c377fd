import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoServerError } from 'mongodb'
import type { Lease, Storage } from '../kit/contract.ts'
import { StorageUnavailable, StorageUnusable } from '../kit/errors.ts'
import { type Database, READ } from './database.ts'
import { deriveMissing } from './derive-missing.ts'

const INDEX_NOT_FOUND = 27

/**
 * One entry a version, never changed once released, each of them as good done twice as once: whoever does it can die in the
 * middle.
 */
const MIGRATIONS: ((database: Database, lease: Lease) => Promise<void>)[] = [
  async ({ events, runs, rejects, meta }) => {
    await events.createIndexes([
      // Every field that a filter reads, so that a document is read only when it is in the answer.
      {
        name: 'events_by_start',
        key: { ever_online: 1, starts_at: 1, _id: 1, end: 1, start_date: 1, local_end: 1, sell_mode: 1, source: 1 }
      }
    ])
    await runs.createIndexes([{ name: 'runs_by_source', key: { source: 1, token: -1, _id: -1 } }])
    await rejects.createIndexes([{ name: 'rejects_by_source', key: { source: 1, last_seen_at: -1, _id: -1 } }])
    await meta.updateOne({ _id: 'counters' }, { $setOnInsert: { revision: 0, seq: 0 } }, { upsert: true })
  },
  async (database) => {
    const { events, bodies } = database
    // Every field that says what is missing.
    await events.createIndexes([{ name: 'events_listed', key: { source: 1, status: 1, seq: 1, starts_at: 1 } }])
    await bodies.createIndexes([{ name: 'bodies_by_source', key: { source: 1, run_id: 1 } }])
    // Of stores that version 1 made; `events_listed` is in its place.
    await dropIndex(database, 'events_by_source')
  },
  async ({ commands, alerts }) => {
    await commands.createIndexes([
      // One that waits is not asked for twice.
      { name: 'commands_waiting_once', key: { waiting: 1 }, unique: true, sparse: true },
      { name: 'commands_waiting', key: { finished_at: 1, no: 1 } },
      { name: 'commands_by_source', key: { source: 1, no: -1 } },
      { name: 'commands_switching', key: { kind: 1, no: 1 } }
    ])
    await alerts.updateOne({ _id: 'alerts' }, { $setOnInsert: { token: 0, list: [] } }, { upsert: true })
  },
  async (database, lease) => {
    const { events, versions, meta } = database
    const secret = randomBytes(32).toString('hex')
    await meta.updateOne({ _id: 'secret' }, { $setOnInsert: { secret } }, { upsert: true })
    if ((await events.findOne({}, { ...READ, projection: { _id: 1 } })) !== null) {
      const isUnset = { _id: 'counters', history_since: { $exists: false } } as const
      await meta.updateOne(isUnset, { $set: { history_since: lease.now().toISOString() } })
    }
    await deriveMissing(database)
    await events.createIndexes([
      // What a list is asked for by default, with every field that a filter reads but words and zones, so that a document
      // is read only when it is in the answer.
      {
        name: 'events_by_starts_at',
        key: {
          ever_online: 1,
          starts_at: 1,
          _id: 1,
          end: 1,
          start_date: 1,
          local_end: 1,
          sell_mode: 1,
          source: 1,
          status: 1,
          sold_out: 1,
          organizer_company_id: 1,
          updated_at: 1,
          max_capacity: 1,
          lowest_price: 1,
          highest_price: 1,
          sale_from: 1,
          sale_to: 1
        }
      },
      // The other sorts.
      { name: 'events_by_end', key: { ever_online: 1, end: 1, _id: 1 } },
      { name: 'events_by_title', key: { ever_online: 1, title_key: 1, _id: 1 } },
      { name: 'events_by_updated', key: { ever_online: 1, updated_at: 1, _id: 1 } },
      { name: 'events_by_price', key: { ever_online: 1, price: 1, _id: 1 } },
      // What few events have: words, a base event.
      { name: 'events_by_words', key: { words: 1, starts_at: 1, _id: 1 } },
      { name: 'events_by_base', key: { base_event_id: 1, starts_at: 1, _id: 1 } },
      { name: 'events_by_change', key: { source: 1, change: 1 } }
    ])
    await versions.createIndexes([
      { name: 'versions_by_change', key: { source: 1, change: 1 } },
      // The list as it was: what has been replaced since then. And what is forgotten.
      { name: 'versions_by_end', key: { replaced_at: 1, updated_at: 1 } }
    ])
    await dropIndex(database, 'events_by_start')
  }
]

async function dropIndex({ events }: Database, name: string): Promise<void> {
  await events.dropIndex(name).catch((error) => {
    if (!(error instanceof MongoServerError && error.code === INDEX_NOT_FOUND)) throw error
  })
}

/** Of the one that migrates, while the others wait. */
const LEASE = { name: 'migration', ms: 15_000, pollMs: 200, patienceMs: 5000 }

type Leases = Pick<Storage, 'takeLease' | 'renewLease' | 'releaseLease'>

export function createMigration(database: Database, leases: Leases): Pick<Storage, 'ping' | 'migrate'> {
  const { meta, answer, attempt } = database
  const version = async () => (await meta.findOne({ _id: 'schema' }, READ))?.version ?? 0

  async function migrateOn(lease: Lease): Promise<void> {
    for (let from = await version(); from < MIGRATIONS.length; from++) {
      await MIGRATIONS[from]!(database, lease)
      if (!(await leases.renewLease(lease, LEASE.ms))) {
        throw new StorageUnavailable('MongoDB: the migration took too long to keep its lease')
      }
      // Never back: who stood still here may have been overtaken.
      await meta.updateOne({ _id: 'schema' }, { $max: { version: from + 1 } }, { upsert: true })
    }
  }

  return {
    ping: () =>
      answer(async () => {
        if ((await version()) !== MIGRATIONS.length) {
          throw new StorageUnavailable('MongoDB: the database is not migrated yet')
        }
      }),

    async migrate() {
      const deadline = performance.now() + LEASE.patienceMs
      for (;;) {
        const from = await attempt(version)
        if (from > MIGRATIONS.length) {
          throw new StorageUnusable(
            `the database ${meta.dbName} was written by a newer Event Service (schema ${from}, this one knows ` +
              `${MIGRATIONS.length}): run that version, or set [mongodb] database to another one`
          )
        }
        if (from === MIGRATIONS.length) return
        const lease = await leases.takeLease(LEASE.name, randomUUID(), LEASE.ms)
        if (lease !== null) {
          // Indexes of a large collection take longer than a lease.
          const renewal = setInterval(
            () => void leases.renewLease(lease, LEASE.ms).catch(() => undefined),
            LEASE.ms / 3
          )
          try {
            return await attempt(() => migrateOn(lease))
          } finally {
            clearInterval(renewal)
            await leases.releaseLease(lease).catch(() => undefined)
          }
        }
        if (performance.now() > deadline) throw new StorageUnavailable('MongoDB: another process migrates the database')
        await sleep(LEASE.pollMs)
      }
    }
  }
}
