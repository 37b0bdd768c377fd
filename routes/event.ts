import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { NotFound } from '../plugins/errors/problem.ts'
import { EventSchema } from '../storage/kit/event.ts'
import { LINK, NOT_MODIFIED, VALIDATORS } from './kit/answer-headers.ts'
import { HistoryEntrySchema, toHistoryEntry } from './kit/change.ts'
import { dependsOnNow, parseAsOf } from './kit/event-query.ts'
import { renderInTurns } from './kit/in-turns.ts'
import { ChangesPagingQuery, PageInfo, pageInfo, pageLinks, UUID } from './kit/paging.ts'
import { FilterParameters } from './kit/query-schema.ts'
import { renderList } from './kit/render-page.ts'
import { AS_OF_FAILURES, FAILURES, notFound } from './kit/responses.ts'

const EventParams = Type.Object({
  id: Type.String({
    pattern: UUID.source,
    description: '`id` of an event',
    'x-allowed': '`id` of an event, a UUID in lower case'
  })
})

/** One event, and what it was. */
const event: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [EventSchema, HistoryEntrySchema]) app.addSchema(schema)

  app.get(
    '/events/:id',
    {
      schema: {
        operationId: 'getEvent',
        tags: ['events'],
        summary: 'One event',
        description: 'Also one that was taken off (`delisted`); with `as_of`, as it was then.',
        params: EventParams,
        querystring: Type.Object({ as_of: FilterParameters.as_of }, { additionalProperties: false }),
        response: {
          200: Type.Unsafe<Static<typeof EventSchema>>(
            Type.Ref(EventSchema.$id!, { description: 'The event', headers: VALIDATORS })
          ),
          ...NOT_MODIFIED,
          ...AS_OF_FAILURES,
          ...notFound('event')
        }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      const asOf = parseAsOf(request.query, Date.now())
      return app.pages.answer(request, reply, {
        key: `event ${id} ${asOf ?? ''}`,
        isTimeless: !dependsOnNow(request.query),
        hasMeta: false,
        async read() {
          const event = await app.storage.get(id, asOf)
          if (event === null)
            throw new NotFound(`There is no event ${id}${asOf === undefined ? '' : ` as of ${asOf}`}.`)
          return { body: JSON.stringify(event) }
        }
      })
    }
  )

  app.get(
    '/events/:id/history',
    {
      schema: {
        operationId: 'getEventHistory',
        tags: ['events'],
        summary: 'What changed about an event, newest first',
        description: 'When, by which run, field by field; as far back as it is kept (`history_days` of `[server]`).',
        params: EventParams,
        querystring: Type.Object(ChangesPagingQuery, { additionalProperties: false }),
        response: {
          200: Type.Object(
            { data: Type.Array(Type.Ref(HistoryEntrySchema.$id!)), page: PageInfo },
            { description: 'A page of changes', headers: { ...LINK, ...VALIDATORS } }
          ),
          ...NOT_MODIFIED,
          ...FAILURES,
          ...notFound('event')
        }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      const { limit, cursor } = request.query
      const scope = `history of ${id}`
      const after = cursor === undefined ? undefined : await app.cursors.decode(cursor, () => scope)
      return app.pages.answer(request, reply, {
        key: `${scope} ${limit} ${cursor ?? ''}`,
        isTimeless: true,
        hasMeta: false,
        async read() {
          const found = await app.storage.versions(id, { limit, ...(after && { after: after.position }) })
          if (found.items.length === 0 && after === undefined) throw new NotFound(`There is no event ${id}.`)
          const next = found.next && (await app.cursors.encode(found.next, scope))
          const data = await renderInTurns(found.items, (version) => JSON.stringify(toHistoryEntry(version)))
          return { body: renderList(data, pageInfo(limit, next)), link: pageLinks(request.url, next) }
        }
      })
    }
  )
}

export default event
