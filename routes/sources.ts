import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NotFound } from '../plugins/errors/problem.ts'
import {
  decodeCursor,
  INSTANT,
  nextLink,
  PageInfo,
  type Paging,
  PagingQuery,
  pageInfo,
  REJECT_ID,
  UUID
} from './kit/paging.ts'
import { FAILURES, NOT_FOUND } from './kit/responses.ts'
import { RejectSchema, RunSchema, SourceSchema } from './kit/source-schemas.ts'

const NameParams = Type.Object({
  name: Type.String({
    maxLength: 63,
    description: 'Name of a source',
    'x-allowed': 'the name of a source, see /v1/api/sources',
    examples: ['demo']
  })
})
const NoQuery = Type.Object({}, { additionalProperties: false })
const PageQuery = Type.Object(PagingQuery, { additionalProperties: false })

const sources: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [RunSchema, RejectSchema, SourceSchema]) app.addSchema(schema)

  async function describe() {
    const freshness = new Map((await app.sources.freshness()).map((entry) => [entry.name, entry]))
    const lastRuns = await Promise.all(app.sources.list.map(({ name }) => app.storage.runs(name, { limit: 1 })))
    return app.sources.list.map(({ name, adapter, cron, cron_timezone, timezone, enabled }, i) => ({
      name,
      adapter,
      cron,
      cron_timezone,
      timezone,
      enabled,
      last_success_at: freshness.get(name)?.last_success_at ?? null,
      stale: freshness.get(name)?.stale ?? false,
      last_run: lastRuns[i]?.items[0] ?? null
    }))
  }
  function refuseUnknown(name: string): void {
    const names = app.sources.list.map((source) => source.name)
    if (!names.includes(name))
      throw new NotFound(`There is no source ${name}; there are: ${names.join(', ') || 'none'}.`)
  }

  app.get(
    '/sources',
    {
      schema: {
        operationId: 'listSources',
        tags: ['sources'],
        summary: 'All sources',
        querystring: NoQuery,
        response: {
          200: Type.Object(
            { data: Type.Array(Type.Ref(SourceSchema.$id!)) },
            { description: 'All sources, in the order of the file' }
          ),
          ...FAILURES
        }
      }
    },
    async (_request, reply) => reply.send({ data: await describe() })
  )

  app.get(
    '/sources/:name',
    {
      schema: {
        operationId: 'getSource',
        tags: ['sources'],
        summary: 'One source',
        params: NameParams,
        querystring: NoQuery,
        response: { 200: Type.Ref(SourceSchema.$id!, { description: 'The source' }), ...FAILURES, ...NOT_FOUND }
      }
    },
    async ({ params: { name } }, reply) => {
      refuseUnknown(name)
      return reply.send((await describe()).find((source) => source.name === name))
    }
  )

  const histories = [
    {
      kind: 'runs',
      operationId: 'listRuns',
      item: RunSchema,
      position: [/^\d{1,15}$/, UUID],
      summary: 'Runs of a source, newest first'
    },
    {
      kind: 'rejects',
      operationId: 'listRejects',
      item: RejectSchema,
      position: [INSTANT, REJECT_ID],
      summary: 'Rejects of a source, last seen first'
    }
  ] as const
  for (const { kind, operationId, item, position, summary } of histories) {
    app.get(
      `/sources/:name/${kind}`,
      {
        schema: {
          operationId,
          tags: ['sources'],
          summary,
          params: NameParams,
          querystring: PageQuery,
          response: {
            200: Type.Object(
              { data: Type.Array(Type.Ref(item.$id!)), page: PageInfo },
              { description: `A page of ${kind}` }
            ),
            ...FAILURES,
            ...NOT_FOUND
          }
        }
      },
      async ({ params: { name }, query, url }, reply) => {
        refuseUnknown(name)
        const paging: Paging = { query: { kind, name }, position: [...position] }
        const after = decodeCursor(query.cursor, paging)
        const found = await app.storage[kind](name, { limit: query.limit, ...(after && { after }) })
        const page = pageInfo(query.limit, found.next, paging)
        const link = nextLink(url, page.next_cursor)
        if (link !== undefined) reply.header('link', link)
        return reply.send({ data: found.items, page })
      }
    )
  }
}

export default sources
