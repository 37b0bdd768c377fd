import { type Database, READ } from './database.ts'
import { fromDocument } from './documents.ts'
import { toSearched } from './searched.ts'

const BATCH = 1000

/**
 * Gives events of former versions of the schema what filters and sorts look at, in batches: whoever does it again goes on where
 * the last one stopped.
 */
export async function deriveMissing({ events }: Database): Promise<void> {
  const lacking = { version: { $exists: false } }
  let last = ''
  for (;;) {
    const documents = await events
      .find({ _id: { $gt: last }, ...lacking }, READ)
      .sort({ _id: 1 })
      .limit(BATCH)
      .toArray()
    if (documents.length === 0) return
    await events.bulkWrite(
      documents.map((document) => {
        // Unless it is written meanwhile.
        const { _id, fingerprint } = document
        const derived = { ...toSearched(fromDocument(document)), version: 1 }
        return { updateOne: { filter: { _id, fingerprint, ...lacking }, update: { $set: derived } } }
      }),
      { ordered: false }
    )
    last = documents.at(-1)!._id
  }
}
