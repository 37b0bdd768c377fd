import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NotFound } from '../plugins/errors/problem.ts'
import type { Source } from '../plugins/sources.ts'
import type { Circuit } from '../storage/kit/contract.ts'
import { OrNull } from '../storage/kit/or-null.ts'
import { RejectSchema } from '../storage/kit/reject.ts'
import { type Run, RunSchema } from '../storage/kit/run.ts'
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
import { ADMIN_FAILURES, FAILURES, notFound } from './kit/responses.ts'

const SourceSchema = Type.Object(
  {
    name: Type.String(),
    adapter: Type.String(),
    cron: Type.String(),
    cron_timezone: Type.String(),
    timezone: Type.String({ description: "Of the feed's dates" }),
    enabled: Type.Boolean(),
    ...FreshnessFields,
    circuit: Type.Object(
      {
        state: Type.Union([Type.Literal('closed'), Type.Literal('open'), Type.Literal('half_open')], {
          description:
            '`closed`: the last fetch succeeded. `open`: it failed, and the source is left alone until `retry_at`, or until its ' +
            'cron where that is null. `half_open`: it may be tried again, and is'
        }),
        failures: Type.Integer({ description: 'Failed fetches in a row' }),
        retry_at: OrNull(Type.String({ format: 'date-time' }), 'When it is tried again, before or instead of its cron')
      },
      { description: 'How the source is spared after failures' }
    ),
    suspicion: OrNull(
      Type.Object({
        run_id: Type.String(),
        missing: Type.Integer({ description: 'Events that were not delisted' }),
        future_missing: Type.Integer({ description: 'Of them, those that are still to come' }),
        future_listed: Type.Integer({ description: 'Of all that are still to come and were listed then' })
      }),
      'Set when the last snapshot lacked too much to be believed: nothing is delisted until the next one agrees, or an ' +
        'operator confirms'
    ),
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

  async function describe(sources: readonly Source[]) {
    const [freshness, states] = await Promise.all([app.sources.freshness(), app.storage.sources()])
    return Promise.all(
      sources.map(async ({ name, adapter, cron, cron_timezone, timezone, enabled }) => {
        const { last_success_at, stale } = freshness.find((one) => one.name === name)!
        const state = states.find((one) => one.source === name)
        const last_run = (await app.storage.runs(name, { limit: 1 })).items[0] ?? null
        return {
          ...{ name, adapter, cron, cron_timezone, timezone, enabled, last_success_at, stale, last_run },
          circuit: describeCircuit(state?.circuit, last_run),
          suspicion: state?.suspicion ?? null
        }
      })
    )
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
    async (_request, reply) => reply.send({ data: await describe(app.sources.list) })
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
    async ({ params }, reply) => reply.send((await describe([findSource(params.name)]))[0]!)
  )

  const actions = [
    {
      url: '/sources/:name/confirm',
      operationId: 'confirmSource',
      kind: 'confirm',
      summary: 'Delists what a suspicious run lacked',
      description:
        'After a run with the outcome `suspicious`, once a person has seen that these events are really gone.'
    },
    {
      url: '/sources/:name/rejects/redrive',
      operationId: 'redriveRejects',
      kind: 'redrive',
      summary: 'Tries the rejects of a source again',
      description:
        'After a fix. One that passes becomes an event and leaves the list; `counts.rejected` are those that stay.'
    }
  ] as const
  for (const { url, kind, ...about } of actions) {
    app.post(
      url,
      {
        schema: {
          ...about,
          tags: ['sources'],
          security: [{ admin: [] }],
          params: NameParams,
          querystring: NoQuery,
          response: {
            200: Type.Ref(RunSchema.$id!, { description: 'What was done, as it stands among the runs of the source' }),
            ...ADMIN_FAILURES,
            ...notFound('source')
          }
        }
      },
      async ({ params }, reply) => {
        const source = findSource(params.name)
        return reply.send(await app.operate(source, (context) => app.ingest[kind](source, context)))
      }
    )
  }

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

function describeCircuit(circuit: Circuit | undefined, lastRun: Run | null) {
  const { failures, retry_at } = circuit ?? { failures: 0, retry_at: null }
  const isTrying = lastRun?.finished_at === null || (retry_at !== null && Date.parse(retry_at) <= Date.now())
  const state = failures === 0 ? ('closed' as const) : isTrying ? ('half_open' as const) : ('open' as const)
  return { state, failures, retry_at }
}
