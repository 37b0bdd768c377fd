import fastify from 'fastify'
import { MongoClient } from 'mongodb'
import { toEventQuery } from '../../routes/kit/event-query.ts'
import type { FilterQuery } from '../../routes/kit/query-schema.ts'
import { DEADLINE } from '../../storage/mongodb/deadline.ts'
import type { EventDocument } from '../../storage/mongodb/documents.ts'
import { toFilter, toHint, toProjection, toSort } from '../../storage/mongodb/query.ts'

/** The least that Fastify and the driver can do: the call that the real route makes, and what comes of it as JSON. */
const client = new MongoClient(process.env.EVENTS_MONGODB_URI!)
const events = client.db(process.env.EVENTS_MONGODB_DATABASE).collection<EventDocument>('events')
const app = fastify()
app.get('/v1/api/events', async (request, reply) => {
  const { limit, ...given } = request.query as FilterQuery & { limit: string }
  const query = toEventQuery({ ...given, match: 'within', sort: 'start' }, 0)
  const hint = toHint(query)!
  const data = await events
    .find(toFilter(query), { ...DEADLINE, hint, projection: toProjection(query.sort) })
    .sort(toSort(query.sort))
    .limit(Number(limit) + 1)
    .batchSize(Number(limit) + 1)
    .toArray()
  return reply.type('application/json; charset=utf-8').send(JSON.stringify({ data }))
})
console.log(await app.listen({ host: '127.0.0.1', port: 0 }))
