import type { AnyBulkWriteOperation, Document } from 'mongodb'
import { MongoBulkWriteError } from 'mongodb'

/** A filter that holds, on the server's clock, until the lease expires: as long as nobody else can have taken it. */
export interface InTime {
  $expr: object
}

/** `token`: of the run that writes it. */
type Written<T> = T & { _id: string; token: number }

/** What `$replaceWith` answers where it is to write what is no document. */
const NO_DOCUMENT = 40228

/** As numbers: not every server compares `$$NOW` with a date rightly. */
export function until(expires: Date): InTime {
  return { $expr: { $lt: [{ $toLong: '$$NOW' }, expires.getTime()] } }
}

/** Writes a whole document, whether there is one of its `_id` or not; see `fence`. */
export function replace<T extends Document>(document: Written<T>, inTime: InTime): AnyBulkWriteOperation<T> {
  return operation(document, { $literal: document }, inTime, { upsert: true })
}

/** Sets fields of a document, and finds none to set them of where there is none; see `fence`. */
export function change<T extends Document>(fields: Written<Partial<T>>, inTime: InTime): AnyBulkWriteOperation<T> {
  return operation(fields, { $mergeObjects: ['$$ROOT', { $literal: fields }] }, inTime, {})
}

/**
 * Fails, rather than finds nothing, where the lease has expired or a newer token wrote the document: the filter of an
 * upsert cannot say so (`$expr` is refused there), and by `_id` alone the server finds it the fastest way it has. A missing
 * token is lower than any. Right whether the server knows the condition before it runs or not: nothing but the last step fails.
 */
function operation<T extends Document>(
  { _id, token }: Written<object>,
  result: object,
  inTime: InTime,
  options: { upsert?: boolean }
): AnyBulkWriteOperation<T> {
  const isMine = { $and: [inTime.$expr, { $lte: ['$token', { $literal: token }] }] }
  const update = [{ $replaceWith: { $cond: [isMine, result, null] } }]
  return { updateOne: { filter: { _id }, update, ...options } } as object as AnyBulkWriteOperation<T>
}

/** Whether one of these operations was kept from writing. Some servers answer for all of them at once. */
export function isFenced(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError)) return false
  return [error, ...[error.writeErrors].flat()].some(({ code }) => code === NO_DOCUMENT)
}
