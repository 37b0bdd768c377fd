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
        summary: 'Figures for Prometheus',
        description:
          'Of all threads and processes that this one answers for; docs/metrics.md says what each of them means. While the ' +
          'storage is away, what is known without it.',
        querystring: NoQuery,
        response: {
          200: {
            description: "Prometheus' text format",
            content: { 'text/plain': { schema: Type.String() } }
          },
          400: FAILURES[400]
        }
      }
    },
    async (_request, reply) => {
      const { contentType, text } = await app.metrics.render()
      return reply.type(contentType).send(text)
    }
  )
}

export default metrics
