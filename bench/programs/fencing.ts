import { appendFile, readFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import type { AnyBulkWriteOperation, Document } from 'mongodb'
import { buildApp } from '../../app.ts'
import { readConfig } from '../../plugins/config.ts'
import { type Database as Mongodb, createDatabase as openMongodb } from '../../storage/mongodb/database.ts'
import type { Write } from '../../storage/mongodb/fence.ts'
import { createHistory as mongodbHistory } from '../../storage/mongodb/history.ts'
import { createListing as mongodbListing } from '../../storage/mongodb/listing.ts'
import { createRejects as mongodbRejects } from '../../storage/mongodb/rejects.ts'
import { createSnapshots as mongodbSnapshots } from '../../storage/mongodb/snapshots.ts'
import { createWrite as mongodbWrite } from '../../storage/mongodb/write.ts'
import { createDatabase as openSqlite, type Database as Sqlite } from '../../storage/sqlite/database.ts'
import { createHistory as sqliteHistory } from '../../storage/sqlite/history.ts'
import { createListing as sqliteListing } from '../../storage/sqlite/listing.ts'
import { createRejects as sqliteRejects } from '../../storage/sqlite/rejects.ts'
import { createSnapshots as sqliteSnapshots } from '../../storage/sqlite/snapshots.ts'
import { createWrite as sqliteWrite } from '../../storage/sqlite/write.ts'

/**
 * Runs the source `bench` twice, with everything new and with everything unchanged, and prints the CPU seconds that each
 * took, those of a MongoDB server included. The argument `free` leaves out the lease check and the fences.
 */
const [feed, fences] = process.argv.slice(2) as [string, 'fenced' | 'free']
const config = await readConfig()
const server = { ...config.server, roles: new Set(['ingest'] as const), log_level: 'silent' }
const app = await buildApp({ config: { ...config, server }, tick: false })
await app.ready()

const { storage } = app
let close = () => {}
let serverPid: number | undefined
if (config.server.storage === 'sqlite') {
  const { path } = config.storage as { path: string }
  const connection = new DatabaseSync(path)
  connection.exec('pragma synchronous = normal; pragma cache_size = -8192; pragma wal_autocheckpoint = 8000')
  close = () => connection.close()
  const fenced = openSqlite(connection, path)
  const free: Sqlite = { ...fenced, fenced: (_run, work) => fenced.transaction(work) }
  const database = fences === 'free' ? free : fenced
  for (const create of [sqliteWrite, sqliteListing, sqliteHistory, sqliteRejects, sqliteSnapshots]) {
    Object.assign(storage, create(database))
  }
} else {
  serverPid = Number((await app.mongo.client.db('admin').command({ serverStatus: 1 })).pid)
  const fenced = openMongodb(app.mongo.client, app.mongo.db!)
  const free: Mongodb = {
    ...fenced,
    fenced: (_run, work) => fenced.attempt(() => work({ inTime: { $expr: {} }, bound: { maxTimeMS: 60_000 } })),
    writeFenced: async (_run, collection, writes) => {
      // biome-ignore lint/suspicious/noExplicitAny: of whatever collection it is
      await collection.bulkWrite(writes.map(withoutFence) as AnyBulkWriteOperation<any>[])
    }
  }
  const database = fences === 'free' ? free : fenced
  for (const create of [mongodbWrite, mongodbListing, mongodbHistory, mongodbRejects, mongodbSnapshots]) {
    Object.assign(storage, create(database))
  }
}

function withoutFence(write: Write<Document>): object {
  const { _id, ...fields } = 'replace' in write ? write.replace : write.set
  return 'replace' in write
    ? { replaceOne: { filter: { _id }, replacement: fields, upsert: true } }
    : { updateOne: { filter: { _id }, update: { $set: fields } } }
}

/** User and system time of this process and of the server, in seconds. */
async function cpuSeconds(): Promise<number> {
  const { user, system } = process.cpuUsage()
  const mine = (user + system) / 1e6
  if (serverPid === undefined) return mine
  const stat = await readFile(`/proc/${serverPid}/stat`, 'utf8')
  const [utime, stime] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return mine + (Number(utime) + Number(stime)) / 100
}

const results = []
for (const what of ['created', 'unchanged'] as const) {
  if (what === 'unchanged') await appendFile(feed, '\n')
  const before = await cpuSeconds()
  await app.jobs.run('source:bench')
  const seconds = (await cpuSeconds()) - before
  const { items } = await storage.runs('bench', { limit: 1 })
  results.push({ what, seconds, run: items[0] })
}
close()
await app.close()
console.log(JSON.stringify(results))
