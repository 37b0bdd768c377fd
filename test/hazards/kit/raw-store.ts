import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { until } from '../../service.ts'

/** A store as it is underneath, past all that the service does to guard it. */
export interface RawStore {
  /** As time would have them expire. */
  expireLeases(): Promise<void>
  /** How many events are delisted, asked as fast as can be. */
  delisted(): Promise<number>
  /** How many were delisted at that time or later. */
  delistedSince(time: string): Promise<number>
  /** How many events are filed otherwise than they say of themselves. */
  torn(): Promise<number>
  /** Whether some process is in the middle of a write, which keeps all others from writing. */
  isLocked(): boolean
  /** Notes from now on, in their order, under which token of the lease of `demo` each write was made. */
  watchWriters(): Promise<() => Promise<Writers>>
  /** Under which tokens these runs were made. */
  tokensOf(runs: string[]): Promise<number[]>
  /** All that there is, by table or collection. */
  dump(): Promise<Record<string, unknown[]>>
  close(): Promise<void>
}

export interface Writers {
  writes: number
  /** How many different ones made them. */
  tokens: number
  /** Those that came after one with a newer token. */
  backwards: string[]
  /** When the lease was taken for an occasion, in milliseconds, by its tokens. */
  takes: Map<number, number>
}

interface Write {
  token: number
  what: string
}

function summarize(all: Write[], takes: Map<number, number>): Writers {
  let newest = 0
  const backwards: string[] = []
  for (const { token, what } of all) {
    if (token < newest) backwards.push(`${what} under ${token} after ${newest}`)
    else newest = token
  }
  return { writes: all.length, tokens: new Set(all.map(({ token }) => token)).size, backwards, takes }
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
    delisted: async () => Number(count('events where listed = 0 and source in (select no from sources)')),
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
    async watchWriters() {
      const note = (on: string, token: string, when = 'true') =>
        `create trigger "writers of ${on}" after ${on} when ${when} begin
           insert into writers (token, what) values (${token}, '${on}');
           insert into writers (token, what) select 0, '${on}' from leases where name = 'source:demo' and token > ${token};
         end;`
      db.exec(`create table writers (no integer primary key, token integer not null, what text not null);
        create table takes (token integer primary key, at integer not null);
        create trigger "takes of leases" after update of token on leases when new.name = 'source:demo' and
          new.attended_at is not old.attended_at begin insert into takes values (new.token, new.attended_at); end;
        ${note('insert on events', 'new.as_of')}
        ${note('update of as_of on events', 'new.as_of')}
        ${note('insert on rejects', 'new.token')}
        ${note('update on rejects', 'new.token')}
        ${note('insert on runs', 'new.token')}
        ${note('update of outcome on runs', 'new.token', "new.reason is not 'abandoned'")}`)
      return async () => {
        const takes = db.prepare('select token, at from takes').all()
        return summarize(
          db.prepare('select token, what from writers order by no').all() as unknown as Write[],
          new Map(takes.map(({ token, at }) => [Number(token), Number(at)]))
        )
      }
    },
    tokensOf: async (runs) =>
      runs.map((id) => Number(db.prepare('select token from runs where id = ?').get(id)!.token)),
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
    delisted: () => db.collection('events').countDocuments({ source: 'demo', status: 'delisted' }),
    delistedSince: (time) => db.collection('events').countDocuments({ delisted_at: { $gte: time } }),
    torn: async () => 0,
    isLocked: () => false,
    async watchWriters() {
      const writes: Write[] = []
      const takes = new Map<number, number>()
      const stream = db.watch([{ $match: { 'ns.coll': { $in: ['events', 'rejects', 'runs', 'sources', 'leases'] } } }])
      stream.on('change', (change) => {
        const written = 'fullDocument' in change ? change.fullDocument : undefined
        const updated = 'updateDescription' in change ? change.updateDescription.updatedFields : undefined
        const token = written?.token ?? updated?.token
        if (token === undefined || !('ns' in change) || !('coll' in change.ns)) return
        if (change.ns.coll === 'leases') {
          const at = written?.attended_at ?? updated?.attended_at
          if (at !== undefined) takes.set(token, at.getTime())
          return
        }
        writes.push({ token, what: `${change.operationType} of ${change.ns.coll}` })
      })
      // It begins with what comes after it has been asked for once.
      await until(async () => {
        await db
          .collection('rejects')
          .replaceOne({ _id: 'none' as never }, { token: 0, at: Date.now() }, { upsert: true })
        return writes.length > 0
      })
      await db.collection('rejects').deleteOne({ _id: 'none' as never })
      return async () => {
        await sleep(1000)
        await stream.close()
        return summarize(writes, takes)
      }
    },
    async tokensOf(runs) {
      const rows = await db
        .collection<{ _id: string; token: number }>('runs')
        .find({ _id: { $in: runs } })
        .toArray()
      return rows.map(({ token }) => token)
    },
    async dump() {
      const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).sort()
      const read = (name: string) => db.collection(name).find().sort({ _id: 1 }).toArray()
      return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await read(name)])))
    },
    close: () => client.close()
  }
}
