import { type IndexDescription, MongoClient } from 'mongodb'
import { BATCH } from '../../plugins/ingest/batches.ts'

/**
 * The least that the driver can do: writes the events of one database, from memory, into another one with the same indexes,
 * in batches as long as ours, and prints the seconds it took.
 */
const [from, to] = process.argv.slice(2)
const client = new MongoClient(process.env.EVENTS_MONGODB_URI!, { writeConcern: { w: 'majority' } })
const source = client.db(from).collection('events')
const target = client.db(to).collection('events')
const documents = await source.find().toArray()
const indexes = (await source.indexes()).filter(({ name }) => name !== '_id_')
await target.createIndexes(indexes.map(({ v: _v, ...index }) => index as IndexDescription))

const started = performance.now()
for (let i = 0; i < documents.length; i += BATCH.items) {
  await target.bulkWrite(documents.slice(i, i + BATCH.items).map((document) => ({ insertOne: { document } })))
}
const seconds = (performance.now() - started) / 1000

const count = await target.countDocuments()
await client.close()
if (count !== documents.length || count === 0) throw new Error(`${count} of ${documents.length} documents were written`)
console.log(JSON.stringify({ seconds }))
