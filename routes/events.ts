import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { NotFound } from '../plugins/errors/problem.ts'
import type { KeptPage } from '../plugins/pages.ts'
import type { PageRequest } from '../storage/kit/contract.ts'
import { StorageUnavailable } from '../storage/kit/errors.ts'
import { EventSchema } from '../storage/kit/event.ts'
import type { EventFilters } from '../storage/kit/filters.ts'
import { parseBound, refuseReversed } from './kit/bounds.ts'
import { EventsAnswer, EventsQuery } from './kit/events-schemas.ts'
import { decodeCursor, isInstant, isUuid, NoQuery, nextLink, type Paging, pageInfo, UUID } from './kit/paging.ts'
import { FAILURES, notFound } from './kit/responses.ts'

const POSITION = [isInstant, isUuid]

const events: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(EventSchema)

  app.get(
    '/events',
    {
      schema: {
        operationId: 'listEvents',
        tags: ['events'],
        summary: 'Events between two dates',
        description: 'From the storage alone, whatever state the providers are in; events that are over stay.',
        querystring: EventsQuery,
        response: { 200: EventsAnswer, ...FAILURES }
      }
    },
    async (request, reply) => {
      const { query } = request
      const paging = { query, position: POSITION }
      const [filters, after] = [toFilters(query), decodeCursor(query.cursor, paging)]
      let page: KeptPage
      try {
        page = await read(filters, { limit: query.limit, ...(after && { after }) }, paging)
        app.pages.keep(query, page)
      } catch (error) {
        const kept = error instanceof StorageUnavailable ? app.pages.recall(query) : undefined
        if (kept === undefined) throw error
        page = markStale(kept, reply)
      }
      const link = nextLink(request.url, page.next_cursor)
      if (link !== undefined) reply.header('link', link)
      reply.type('application/json; charset=utf-8')
      return page.body
    }
  )

  async function read(filters: EventFilters, request: PageRequest, paging: Paging): Promise<KeptPage> {
    const read_at = Date.now()
    // First, so that what is read is never older than what it is said to be.
    const revision = await app.storage.revision()
    const [sources, found] = await Promise.all([app.sources.freshness(), app.storage.find(filters, request)])
    const page = pageInfo(request.limit, found.next, paging)
    // The storage's own JSON goes out as it is: parsing it only to write it again would be most of the work.
    const [head, tail] = [
      '{"data":[',
      `],"page":${JSON.stringify(page)},"meta":${JSON.stringify({ revision, sources })}}`
    ]
    const { json } = found
    const body =
      typeof json === 'string' ? head + json + tail : Buffer.concat([Buffer.from(head), json, Buffer.from(tail)])
    return { body, next_cursor: page.next_cursor, read_at }
  }

  app.get(
    '/events/:id',
    {
      schema: {
        operationId: 'getEvent',
        tags: ['events'],
        summary: 'One event',
        params: Type.Object({
          id: Type.String({
            pattern: UUID.source,
            description: '`id` of an event',
            'x-allowed': '`id` of an event, a UUID in lower case'
          })
        }),
        querystring: NoQuery,
        response: { 200: Type.Ref(EventSchema.$id!, { description: 'The event' }), ...FAILURES, ...notFound('event') }
      }
    },
    async ({ params }, reply) => {
      const event = await app.storage.get(params.id)
      if (event === null) throw new NotFound(`There is no event ${params.id}.`)
      return reply.send(event)
    }
  )
}

export default events

/** Says so in the way of HTTP, for caches, and at the end of the body, which is that of `meta`. */
function markStale({ body, next_cursor, read_at }: KeptPage, reply: FastifyReply): KeptPage {
  reply.header('warning', '110 - "Response is Stale"')
  reply.header('age', Math.max(0, Math.round((Date.now() - read_at) / 1000)))
  const end = `,"stale":true,"read_at":"${new Date(read_at).toISOString()}"}}`
  const marked =
    typeof body === 'string' ? body.slice(0, -2) + end : Buffer.concat([body.subarray(0, -2), Buffer.from(end)])
  return { body: marked, next_cursor, read_at }
}

function toFilters(query: Static<typeof EventsQuery>): EventFilters {
  const { match, sell_mode: sellMode, source } = query
  const from = query.start_date === undefined ? undefined : parseBound('start_date', query.start_date, 'from')
  const to = query.end_date === undefined ? undefined : parseBound('end_date', query.end_date, 'to')
  refuseReversed(from, to)
  return {
    match,
    ...(from && { from }),
    ...(to && { to }),
    ...(source !== undefined && { source }),
    ...(sellMode === undefined ? { everOnline: true } : sellMode === 'any' ? {} : { sellMode })
  }
}
