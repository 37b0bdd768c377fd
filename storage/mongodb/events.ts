import type { EventPage, PageRequest, Storage } from '../kit/contract.ts'
import type { EventFilters } from '../kit/filters.ts'
import { toPage } from '../kit/page.ts'
import { streamPages } from '../kit/stream.ts'
import { ANSWER, type Database } from './database.ts'
import { fromDocument, INTERNAL } from './documents.ts'
import { toFilter } from './query.ts'

type Events = Pick<Storage, 'find' | 'stream' | 'get' | 'revision'>

export function createEvents({ events, meta, attempt }: Database): Events {
  function find(filters: EventFilters, page: PageRequest): Promise<EventPage> {
    return attempt(async () => {
      const rows = await events
        .find(toFilter(filters, page.after), { ...ANSWER, projection: INTERNAL })
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
      attempt(async () => {
        const document = await events.findOne({ _id: id }, { ...ANSWER, projection: INTERNAL })
        return document === null ? null : fromDocument(document)
      }),
    revision: () => attempt(async () => (await meta.findOne({ _id: 'counters' }, ANSWER))?.revision ?? 0)
  }
}
