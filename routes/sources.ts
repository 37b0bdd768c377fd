import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NotFound } from '../plugins/errors/problem.ts'
import type { Source } from '../plugins/sources.ts'
import { OrNull } from '../storage/kit/or-null.ts'
import { RejectSchema } from '../storage/kit/reject.ts'
import { RunSchema } from '../storage/kit/run.ts'
import { FreshnessFields } from './kit/freshness.ts'
import {
  decodeCursor,
  isInstant,
  isRejectId,
  isToken,
  isUuid,
  NoQuery,
  nextLink,
  PageInfo,
  type Paging,
  PagingQuery,
  pageInfo
} from './kit/paging.ts'
import { FAILURES, notFound } from './kit/responses.ts'

const SourceSchema = Type.Object(
  {
    name: Type.String(),
    adapter: Type.String(),
    cron: Type.String(),
    cron_timezone: Type.String(),
    timezone: Type.String({ description: "Of the feed's dates" }),
    enabled: Type.Boolean(),
    ...FreshnessFields,
    last_run: OrNull(Type.Ref(RunSchema.$id!))
  },
  { $id: 'Source', title: 'Source' }
)

const NameParams = Type.Object({
  name: Type.String({
    maxLength: 63,
    description: 'Name of a source',
    'x-allowed': 'the name of a source, see /v1/api/sources',
    examples: ['demo']
  })
})
const PageQuery = Type.Object(PagingQuery, { additionalProperties: false })

const sources: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [RunSchema, RejectSchema, SourceSchema]) app.addSchema(schema)

  async function describe(source: Source) {
    const { name, adapter, cron, cron_timezone, timezone, enabled } = source
    const [freshness, runs] = await Promise.all([app.sources.freshness(), app.storage.runs(name, { limit: 1 })])
    const { last_success_at, stale } = freshness.find((one) => one.name === name)!
    const last_run = runs.items[0] ?? null
    return { name, adapter, cron, cron_timezone, timezone, enabled, last_success_at, stale, last_run }
  }
  function findSource(name: string): Source {
    const source = app.sources.list.find((one) => one.name === name)
    if (source !== undefined) return source
    const names = app.sources.list.map((one) => one.name).join(', ')
    throw new NotFound(`There is no source ${name}; there are: ${names || 'none'}.`)
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
    async (_request, reply) => reply.send({ data: await Promise.all(app.sources.list.map(describe)) })
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
        response: {
          200: Type.Ref(SourceSchema.$id!, { description: 'The source' }),
          ...FAILURES,
          ...notFound('source')
        }
      }
    },
    async ({ params }, reply) => reply.send(await describe(findSource(params.name)))
  )

  const histories = [
    {
      kind: 'runs',
      operationId: 'listRuns',
      item: RunSchema,
      position: [isToken, isUuid],
      summary: 'Runs of a source, newest first'
    },
    {
      kind: 'rejects',
      operationId: 'listRejects',
      item: RejectSchema,
      position: [isInstant, isRejectId],
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
            ...notFound('source')
          }
        }
      },
      async ({ params, query, url }, reply) => {
        const { name } = findSource(params.name)
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
