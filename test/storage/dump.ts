import { DatabaseSync } from 'node:sqlite'
import type { FastifyInstance } from 'fastify'

/** What dry runs may write. */
const OTHERS = ['commands', 'leases']

/** Everything that a store has, to the last byte, but for commands and leases. */
export async function dumpStore(app: FastifyInstance): Promise<Record<string, string[]>> {
  const { storage, server } = app.config
  return server.storage === 'mongodb' ? dumpMongo(app) : dumpSqlite((storage as { path: string }).path)
}

function dumpSqlite(path: string): Record<string, string[]> {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const tables = db.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[]
    return Object.fromEntries(
      tables
        .filter(({ name }) => !OTHERS.includes(name))
        .map(({ name }) => [name, db.prepare(`select * from ${name}`).all().map(toText)])
    )
  } finally {
    db.close()
  }
}

async function dumpMongo(app: FastifyInstance): Promise<Record<string, string[]>> {
  const db = app.mongo.db!
  const dump: Record<string, string[]> = {}
  for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
    if (OTHERS.includes(name)) continue
    const rows = (await db.collection(name).find().sort({ _id: 1 }).toArray()).map((row) => ({ ...row }))
    // Numbers of commands are counted there, too.
    for (const row of rows) if (name === 'meta') delete row.commands
    dump[name] = rows.map(toText)
  }
  return dump
}

const toText = (row: object) =>
  JSON.stringify(row, (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value))
