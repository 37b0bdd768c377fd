import type { FastifyInstance } from 'fastify'
import { createDurations, type Durations, histogram, record } from './durations.ts'
import type { Family, Sample } from './family.ts'

/** What matched no route: paths that somebody makes up must not become labels. */
const NO_ROUTE = '(none)'

/** Measures every request, from when its head was read until its answer was handed to the system. */
export function measureRequests(app: FastifyInstance): () => Family[] {
  // By the object that is the same for all requests of a route.
  const routes = new Map<object, Map<string, { labels: Sample['labels']; durations: Durations }>>()
  app.addHook('onResponse', (request, reply, done) => {
    const { config, url } = request.routeOptions
    let measured = routes.get(config)
    if (measured === undefined) {
      measured = new Map()
      routes.set(config, measured)
    }
    const { method } = request
    const key = `${method} ${reply.statusCode}`
    let one = measured.get(key)
    if (one === undefined) {
      one = { labels: { method, route: url ?? NO_ROUTE, status: reply.statusCode }, durations: createDurations() }
      measured.set(key, one)
    }
    record(one.durations, reply.elapsedTime / 1000)
    done()
  })
  return () => [
    histogram(
      'event_service_http_request_duration_seconds',
      'How long requests took, by their route as it is documented and the status of the answer',
      [...routes.values()].flatMap((measured) => [...measured.values()])
    )
  ]
}
