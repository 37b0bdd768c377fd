import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { NotFound } from '../plugins/errors/problem.ts'
import { EventSchema } from '../storage/kit/event.ts'
import type { EventFilters } from '../storage/kit/filters.ts'
import { parseBound, refuseReversed } from './kit/bounds.ts'
import { EventsAnswer, EventsQuery } from './kit/events-schemas.ts'
import { decodeCursor, isInstant, isUuid, NoQuery, nextLink, pageInfo, UUID } from './kit/paging.ts'
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
      const filters = toFilters(query)
      const paging = { query, position: POSITION }
      const after = decodeCursor(query.cursor, paging)
      // First, so that what is read is never older than what it is said to be.
      const revision = await app.storage.revision()
      const [sources, found] = await Promise.all([
        app.sources.freshness(),
        app.storage.find(filters, { limit: query.limit, ...(after && { after }) })
      ])
      const page = pageInfo(query.limit, found.next, paging)
      const link = nextLink(request.url, page.next_cursor)
      if (link !== undefined) reply.header('link', link)
      reply.type('application/json; charset=utf-8')
      // The storage's own JSON goes out as it is: parsing it only to write it again would be most of the work.
      const [head, tail] = [
        '{"data":[',
        `],"page":${JSON.stringify(page)},"meta":${JSON.stringify({ revision, sources })}}`
      ]
      const { json } = found
      return typeof json === 'string' ? head + json + tail : Buffer.concat([Buffer.from(head), json, Buffer.from(tail)])
    }
  )

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
