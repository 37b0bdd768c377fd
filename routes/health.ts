import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NoQuery } from './kit/paging.ts'
import { FAILURES } from './kit/responses.ts'

const Status = Type.Object({ status: Type.Literal('ok') }, { description: 'Yes' })

const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/livez',
    {
      schema: {
        operationId: 'isLive',
        tags: ['health'],
        summary: 'Whether the process answers; restart it when not',
        querystring: NoQuery,
        response: { 200: Status, 400: FAILURES[400] }
      }
    },
    async () => ({ status: 'ok' as const })
  )

  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'isReady',
        tags: ['health'],
        summary: 'Whether requests can be answered: the storage is reachable and migrated',
        querystring: NoQuery,
        response: { 200: Status, ...FAILURES }
      }
    },
    async () => {
      await app.storage.ping()
      return { status: 'ok' as const }
    }
  )
}

export default health
