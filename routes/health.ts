import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { FAILURES } from './kit/responses.ts'

const Status = Type.Object({ status: Type.Literal('ok') }, { description: 'Yes' })

const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/livez',
    {
      logLevel: 'warn',
      schema: {
        operationId: 'isLive',
        tags: ['health'],
        summary: 'Whether the process answers; restart it when not',
        response: { 200: Status }
      }
    },
    async () => ({ status: 'ok' as const })
  )

  app.get(
    '/readyz',
    {
      logLevel: 'warn',
      schema: {
        operationId: 'isReady',
        tags: ['health'],
        summary: 'Whether requests can be answered: the storage is reachable and migrated',
        response: { 200: Status, 503: FAILURES[503] }
      }
    },
    async () => {
      await app.storage.ping()
      return { status: 'ok' as const }
    }
  )
}

export default health
