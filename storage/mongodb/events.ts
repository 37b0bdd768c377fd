import type { EventPage, PageRequest, Storage } from '../kit/contract.ts'
import type { Event } from '../kit/event.ts'
import type { EventFilters } from '../kit/filters.ts'
import { toPage } from '../kit/page.ts'
import { streamPages } from '../kit/stream.ts'
import { type Database, READ } from './database.ts'
import { fromDocument, INTERNAL } from './documents.ts'
import { toFilter } from './query.ts'

type Events = Pick<Storage, 'find' | 'stream' | 'get' | 'known' | 'revision'>

export function createEvents({ events, meta, answer, attempt }: Database): Events {
  function find(filters: EventFilters, page: PageRequest): Promise<EventPage> {
    return answer(async () => {
      const rows = await events
        .find(toFilter(filters, page.after), { ...READ, projection: INTERNAL })
        .sort({ starts_at: 1, _id: 1 })
        .hint('events_by_start')
        .limit(page.limit + 1)
        .toArray()
      const { items, next } = toPage(rows, page.limit, (last) => [last.starts_at, last._id])
      return { json: items.map((item) => JSON.stringify(fromDocument(item))).join(','), next }
    })
  }

  return {
    find,
    stream: (filters, signal) => streamPages((page) => find(filters, page), signal),
    get: (id) =>
      answer(async () => {
        const document = await events.findOne({ _id: id }, { ...READ, projection: INTERNAL })
        return document === null ? null : fromDocument(document)
      }),
    known: (source, which) =>
      attempt(async () => {
        // Of an index, which has the status before the number.
        const status = { $in: ['listed', 'delisted'] as Event['status'][] }
        const filter = 'ids' in which ? { _id: { $in: which.ids } } : { status, seq: { $in: which.numbers } }
        const projection = { token: 0, end: 0, local_end: 0 } as const
        const rows = await events.find({ source, ...filter }, { ...READ, projection }).toArray()
        return rows.map(({ seq, fingerprint, as_of = 0, piece = null, ...row }) => {
          return { number: seq, fingerprint, asOf: as_of, piece, event: fromDocument(row) }
        })
      }),
    revision: () => answer(async () => (await meta.findOne({ _id: 'counters' }, READ))?.revision ?? 0)
  }
}
