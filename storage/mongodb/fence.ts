import { type AnyBulkWriteOperation, BSON, type Document, MongoBulkWriteError } from 'mongodb'
import type { Lease } from '../kit/contract.ts'

/** What keeps a command within the lease that it is sent under: as long as nobody else can have taken that. */
export interface Fence {
  /** A filter that holds, on the server's clock, while a command may begin. */
  inTime: InTime
  /** How long the server lets one go on that touches many documents. */
  bound: { maxTimeMS: number }
}

export interface InTime {
  $expr: object
}

/** `token`: of the run that writes it. */
type Written<T> = T & { _id: string; token: number }

/** A whole document, known or not; or some fields of one that is known. */
export type Write<T extends Document> = { replace: Written<T> } | { set: Written<Partial<T>> }

/** What `$replaceWith` answers where it is to write what is no document, and an upsert that does not find what is there. */
const FENCES: unknown[] = [40228, 11000]

/** The driver makes two commands of what is more than 16 MB. */
const MOST_BYTES = 8e6

/** With less, a lease is as good as over. */
const LEAST_MS = 200

/**
 * `$$NOW` is when a command began, and a long one may run on past the end of the lease. So it may begin in the first half of
 * the time that is left, and has the other half to end in; both are for the server to see to.
 */
export function createFence(lease: Lease, expires: Date): Fence {
  const left = expires.getTime() - lease.now().getTime()
  const maxTimeMS = Math.max(LEAST_MS, Math.floor(left / 2))
  // As numbers: not every server compares `$$NOW` with a date rightly.
  const inTime = { $expr: { $lt: [{ $toLong: '$$NOW' }, expires.getTime() - maxTimeMS] } }
  return { inTime, bound: { maxTimeMS } }
}

/**
 * Operations for one command each, in order, which fail where a newer token wrote the document. For a whole command there is
 * one `$$NOW`, so the first operation tells of all of them whether they are in time: the others come after it or not at all.
 */
export function* toCommands<T extends Document>(
  writes: Write<T>[],
  inTime: InTime
): Iterable<AnyBulkWriteOperation<T>[]> {
  let command: object[] = []
  let bytes = 0
  for (const write of writes) {
    const operation = command.length === 0 ? toTimed(write, inTime) : toOperation(write)
    command.push(operation)
    bytes += BSON.calculateObjectSize(operation)
    if (bytes < MOST_BYTES) continue
    yield command as AnyBulkWriteOperation<T>[]
    command = []
    bytes = 0
  }
  if (command.length > 0) yield command as AnyBulkWriteOperation<T>[]
}

function toOperation(write: Write<Document>): object {
  const { _id, ...fields } = 'replace' in write ? write.replace : write.set
  // Not every document has one.
  const filter = { _id, token: { $not: { $gt: fields.token } } }
  return 'replace' in write
    ? { replaceOne: { filter, replacement: fields, upsert: true } }
    : { updateOne: { filter, update: { $set: fields } } }
}

/**
 * The same, and it fails when the lease has expired. The filter of an upsert cannot say that: `$expr` is refused there, and
 * what is not found is inserted. A missing token is lower than any. Right whether the server knows the condition before it
 * runs or not: only the last step can fail.
 */
function toTimed(write: Write<Document>, inTime: InTime): object {
  const isNew = 'replace' in write
  const { _id, token } = isNew ? write.replace : write.set
  const result = isNew ? { $literal: write.replace } : { $mergeObjects: ['$$ROOT', { $literal: write.set }] }
  const mayWrite = { $and: [inTime.$expr, { $lte: ['$token', { $literal: token }] }] }
  const update = [{ $replaceWith: { $cond: [mayWrite, result, null] } }]
  return { updateOne: { filter: { _id }, update, upsert: isNew } }
}

/** Whether it was one of these operations that failed. */
export function isFenced(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError)) return false
  // Some servers answer for the command as a whole.
  return [error, ...[error.writeErrors].flat()].some(({ code }) => FENCES.includes(code))
}
