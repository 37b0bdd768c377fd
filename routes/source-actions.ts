import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { RunSchema } from '../storage/kit/run.ts'
import { findSource, NameParams } from './kit/find-source.ts'
import { NoQuery } from './kit/paging.ts'
import { ADMIN_FAILURES, notFound } from './kit/responses.ts'

/** What an operator does with a source. */
const sourceActions: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(RunSchema)

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
        const source = findSource(app.sources.list, params.name)
        return reply.send(await app.operate(source, (context) => app.ingest[kind](source, context)))
      }
    )
  }
}

export default sourceActions
