import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { Source } from '../plugins/sources.ts'
import { RunSchema } from '../storage/kit/run.ts'
import { findSource, NameParams } from './kit/find-source.ts'
import { NoQuery } from './kit/paging.ts'
import { FAILURES, notFound } from './kit/responses.ts'
import { describeCircuit, SourceSchema } from './kit/source-schema.ts'

const sources: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [RunSchema, SourceSchema]) app.addSchema(schema)

  async function describe(sources: readonly Source[]) {
    const [freshness, states, { now, paused }] = await Promise.all([
      app.sources.freshness(),
      app.storage.sources(),
      app.storage.agenda()
    ])
    return Promise.all(
      sources.map(async ({ name, adapter, cron, cron_timezone, timezone, enabled }) => {
        const { last_success_at, last_attempt_at, stale } = freshness.find((one) => one.name === name)!
        const state = states.find((one) => one.source === name)
        const last_run = (await app.storage.runs(name, { limit: 1 })).items[0] ?? null
        return {
          ...{ name, adapter, cron, cron_timezone, timezone, enabled, paused: paused.includes(name) },
          ...{ last_success_at, last_attempt_at, stale, last_run },
          circuit: describeCircuit(state?.circuit, last_run, now),
          suspicion: state?.suspicion ?? null
        }
      })
    )
  }

  app.get(
    '/sources',
    {
      schema: {
        operationId: 'listSources',
        tags: ['sources'],
        summary: 'All sources',
        description: 'Those of the configuration, how fresh the events of each are, and how its last run went.',
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
        description:
          'How fresh its events are, how its last run went, and whether it is paused, spared or under suspicion.',
        params: NameParams,
        querystring: NoQuery,
        response: {
          200: Type.Ref(SourceSchema.$id!, { description: 'The source' }),
          ...FAILURES,
          ...notFound('source')
        }
      }
    },
    async ({ params }, reply) => reply.send((await describe([findSource(app.sources.list, params.name)]))[0]!)
  )
}

export default sources
