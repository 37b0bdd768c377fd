import { DatabaseSync } from 'node:sqlite'
import { type Document, MongoClient } from 'mongodb'

/** As if the storage's clock had shown another time when leases were taken and commands were asked for. */
export async function shiftTimes(driver: string, options: Record<string, unknown>, ms: number): Promise<void> {
  if (driver === 'sqlite') {
    const db = new DatabaseSync(String(options.path), { timeout: 5000 })
    db.exec(`update leases set expires = expires + ${ms}, taken_at = taken_at + ${ms}, attended_at = attended_at + ${ms};
      update commands set asked_at = asked_at + ${ms}`)
    db.close()
    return
  }
  if (driver !== 'mongodb') throw new Error(`say in ${import.meta.filename} how to set times in a store of ${driver}`)
  const client = new MongoClient(String(options.uri))
  const db = client.db(String(options.database))
  for (const name of ['leases', 'commands']) {
    for (const { _id, ...document } of await db.collection<Document>(name).find().toArray()) {
      const times = Object.entries(document).filter(([, value]) => value instanceof Date)
      const later = Object.fromEntries(times.map(([key, value]) => [key, new Date(value.getTime() + ms)]))
      await db.collection(name).updateOne({ _id }, { $set: later })
    }
  }
  await client.close()
}
