import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NoQuery } from './kit/paging.ts'
import { FAILURES } from './kit/responses.ts'

const metrics: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'getMetrics',
        tags: ['health'],
        summary: 'For Prometheus: runs by outcome and reason, freshness, failures in a row',
        querystring: NoQuery,
        response: {
          200: {
            description: "Prometheus' text format",
            content: { 'text/plain': { schema: Type.String() } }
          },
          ...FAILURES
        }
      }
    },
    async (_request, reply) => {
      const metrics = await app.metrics()
      return reply.type(metrics.contentType).send(await metrics.metrics())
    }
  )
}

export default metrics
