import type { EventPage, PageRequest, Storage } from '../kit/contract.ts'
import { StorageUnavailable } from '../kit/errors.ts'
import type { Event } from '../kit/event.ts'
import type { EventQuery } from '../kit/filters.ts'
import { toPage } from '../kit/page.ts'
import { streamPages } from '../kit/stream.ts'
import { countAsOf, findAsOf, getAsOf } from './as-of.ts'
import { type Database, READ } from './database.ts'
import { DEADLINE, inTime } from './deadline.ts'
import { fromDocument, INTERNAL } from './documents.ts'
import { toFilter, toHint, toPosition, toProjection, toShown, toSort } from './query.ts'

type Events = Pick<Storage, 'find' | 'count' | 'stream' | 'get' | 'known' | 'revision' | 'secret'>

const { seq: _seq, fingerprint: _fingerprint, as_of: _as_of, piece: _piece, ...NOT_KNOWN } = INTERNAL

export function createEvents(database: Database): Events {
  const { events, meta, answer, attempt } = database

  function find(query: EventQuery, page: PageRequest): Promise<EventPage> {
    const { sort, asOf } = query
    return answer(() =>
      inTime(async () => {
        const rows = await (asOf === undefined ? findNow(query, page) : findAsOf(database, { ...query, asOf }, page))
        const { items, next } = toPage(rows, page.limit, (last) => toPosition(sort, last))
        return { json: items.map((item) => JSON.stringify(toShown(sort, item))).join(','), next }
      })
    )
  }

  function findNow(query: EventQuery, { limit, after }: PageRequest) {
    const hint = toHint(query)
    const options = { ...DEADLINE, ...(hint && { hint }), projection: toProjection(query.sort) }
    const found = events.find(toFilter(query, after), options).sort(toSort(query.sort))
    // All in one answer.
    return found
      .limit(limit + 1)
      .batchSize(limit + 1)
      .toArray()
  }

  return {
    find,
    count: (query, most) =>
      answer(() =>
        inTime(() => {
          const { asOf } = query
          if (asOf !== undefined) return countAsOf(database, { ...query, asOf }, most)
          const hint = toHint(query)
          return events.countDocuments(toFilter(query), { ...DEADLINE, ...(hint && { hint }), limit: most + 1 })
        })
      ),
    stream: (query, signal) => streamPages((page) => find(query, page), signal),
    get: (id, asOf) =>
      answer(async () => {
        const document = await (asOf === undefined
          ? events.findOne({ _id: id }, { ...READ, projection: INTERNAL })
          : getAsOf(database, id, asOf))
        return document === null ? null : fromDocument(document)
      }),
    known: (source, which) =>
      attempt(async () => {
        // Of an index, which has the status before the number.
        const status = { $in: ['listed', 'delisted'] as Event['status'][] }
        const filter = 'ids' in which ? { _id: { $in: which.ids } } : { status, seq: { $in: which.numbers } }
        const rows = await events.find({ source, ...filter }, { ...READ, projection: NOT_KNOWN }).toArray()
        return rows.map(({ seq, fingerprint, as_of = 0, piece = null, ...row }) => {
          return { number: seq, fingerprint, asOf: as_of, piece, event: fromDocument(row) }
        })
      }),
    revision: () => answer(async () => (await meta.findOne({ _id: 'counters' }, READ))?.revision ?? 0),
    secret: () =>
      answer(async () => {
        const secret = (await meta.findOne({ _id: 'secret' }, READ))?.secret
        if (secret === undefined) throw new StorageUnavailable('MongoDB: the database is not migrated yet')
        return secret
      })
  }
}
