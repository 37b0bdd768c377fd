import { DatabaseSync } from 'node:sqlite'
import { MongoClient } from 'mongodb'

/** A store as it is underneath, past all that the service does to guard it. */
export interface RawStore {
  /** As time would have them expire. */
  expireLeases(): Promise<void>
  /** How many events were delisted at that time or later. */
  delistedSince(time: string): Promise<number>
  /** How many events are filed otherwise than they say of themselves. */
  torn(): Promise<number>
  /** Whether some process is in the middle of a write, which keeps all others from writing. */
  isLocked(): boolean
  /** All that there is, by table or collection. */
  dump(): Promise<Record<string, unknown[]>>
  close(): Promise<void>
}

/** @param options as they stand in the driver's section */
export function openRaw(driver: string, options: Record<string, unknown>): RawStore {
  if (driver === 'sqlite') return openSqlite(String(options.path))
  if (driver === 'mongodb') return openMongodb(String(options.uri), String(options.database))
  throw new Error(`say in ${import.meta.filename} how to look into a store of ${driver}`)
}

function openSqlite(path: string): RawStore {
  const db = new DatabaseSync(path, { timeout: 5000 })
  const count = (sql: string, ...values: string[]) => db.prepare(`select count(*) as n from ${sql}`).get(...values)!.n
  return {
    expireLeases: async () => db.exec('update leases set expires = 0'),
    delistedSince: async (time) => Number(count("events where json ->> '$.delisted_at' >= ?", time)),
    torn: async () => Number(count("events where (listed = 1) <> (json ->> '$.status' = 'listed')")),
    isLocked() {
      db.exec('pragma busy_timeout = 0')
      try {
        db.exec('begin immediate; rollback')
        return false
      } catch {
        return true
      } finally {
        db.exec('pragma busy_timeout = 5000')
      }
    },
    async dump() {
      const tables = db.prepare("select name from sqlite_master where type = 'table' order by name").all()
      return Object.fromEntries(tables.map(({ name }) => [name, db.prepare(`select * from ${name}`).all()]))
    },
    close: async () => db.close()
  }
}

function openMongodb(uri: string, database: string): RawStore {
  const client = new MongoClient(uri)
  const db = client.db(database)
  return {
    async expireLeases() {
      await db.collection('leases').updateMany({}, { $set: { expires: new Date(0) } })
    },
    delistedSince: (time) => db.collection('events').countDocuments({ delisted_at: { $gte: time } }),
    torn: async () => 0,
    isLocked: () => false,
    async dump() {
      const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).sort()
      const read = (name: string) => db.collection(name).find().sort({ _id: 1 }).toArray()
      return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await read(name)])))
    },
    close: () => client.close()
  }
}
