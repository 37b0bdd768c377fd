import type { Filter } from 'mongodb'
import type { PageRequest } from '../kit/contract.ts'
import { Forgotten } from '../kit/errors.ts'
import { type EventQuery, type EventSort, QUERY_DEADLINE_MS } from '../kit/filters.ts'
import { type Database, READ } from './database.ts'
import { type EventDocument, INTERNAL, type VersionDocument } from './documents.ts'
import { ORDERS, toFilter, toHint, toProjection, toSort } from './query.ts'
import { versionsOf } from './versions.ts'

/** Of each of two commands. */
const DEADLINE = { maxTimeMS: QUERY_DEADLINE_MS / 2 }

type Query = EventQuery & { asOf: string }

/** The documents of a page and one more, as they were. */
export async function findAsOf(
  database: Database,
  query: Query,
  { limit, after }: PageRequest
): Promise<EventDocument[]> {
  const { sort } = query
  const options = { ...DEADLINE, projection: toProjection(sort) }
  const [current, former] = toFilters(query, after)
  const hint = toHint(query)
  // In this order: what is replaced in between is found twice, not never.
  const still = await database.events
    .find(current, { ...options, ...(hint && { hint }) })
    .sort(toSort(sort))
    .limit(limit + 1)
    .toArray()
  const since = await database.versions
    .find(former, options)
    .sort(toSort(sort))
    .limit(limit + 1)
    .toArray()
  await refuseForgotten(database, query.asOf)
  const found = new Map<string, EventDocument>()
  for (const { event, ...document } of since) found.set(event, { ...document, _id: event })
  for (const document of still) found.set(document._id, document)
  return [...found.values()].sort(compareBy(sort)).slice(0, limit + 1)
}

export async function countAsOf(database: Database, query: Query, most: number): Promise<number> {
  const [current, former] = toFilters(query)
  const hint = toHint(query)
  const ids = new Set<string>()
  const still = database.events.find(current, { ...DEADLINE, ...(hint && { hint }), projection: { _id: 1 } })
  for await (const { _id } of still.limit(most + 1)) ids.add(_id)
  const since = database.versions.find(former, { ...DEADLINE, projection: { event: 1 } })
  for await (const { event } of since.limit(most + 1)) ids.add(event)
  await refuseForgotten(database, query.asOf)
  return Math.min(ids.size, most + 1)
}

export async function getAsOf(database: Database, id: string, asOf: string): Promise<EventDocument | null> {
  const options = { ...READ, projection: INTERNAL }
  const current = await database.events.findOne({ _id: id, updated_at: { $lte: asOf } }, options)
  const former = current ?? (await database.versions.findOne({ ...versionsOf(id), ...between(asOf) }, options))
  if (former === null) {
    const known = await database.events.findOne({ _id: id }, { ...READ, projection: { first_seen_at: 1 } })
    if (known === null || known.first_seen_at > asOf) return null
  }
  await refuseForgotten(database, asOf)
  if (former === null) return null
  const { event: _event, ...document } = former as VersionDocument
  return { ...document, _id: id }
}

/** Those of the events that are as they were then, and of the states that others had then. */
function toFilters(query: Query, after?: PageRequest['after']): [Filter<EventDocument>, Filter<VersionDocument>] {
  const { asOf, sort } = query
  // Of a version: the event's id and more. "0" comes after all of that.
  const afterVersion = after && [after[0]!, sort.descending ? after[1]! : `${after[1]}0`]
  return [
    { updated_at: { $lte: asOf }, ...toFilter(query, after) },
    { ...between(asOf), ...(toFilter(query, afterVersion) as Filter<VersionDocument>) }
  ]
}

const between = (asOf: string) => ({ updated_at: { $lte: asOf }, replaced_at: { $gt: asOf } })

/** After all else is read: what is forgotten meanwhile may be lacking there. */
async function refuseForgotten({ meta }: Database, asOf: string): Promise<void> {
  const { history_since } = (await meta.findOne({ _id: 'counters' }, READ)) ?? {}
  if (history_since !== undefined && asOf < history_since) {
    throw new Forgotten(`how events were before ${history_since} is not kept`)
  }
}

function compareBy({ by, descending }: EventSort): (a: EventDocument, b: EventDocument) => number {
  const { field } = ORDERS[by]
  const sign = descending ? -1 : 1
  return (a, b) => sign * (compare(a[field], b[field]) || compare(a._id, b._id))
}

/** As the server does: text by its bytes. */
function compare(a: string | number, b: string | number): number {
  return typeof a === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(String(b))) : a - Number(b)
}
