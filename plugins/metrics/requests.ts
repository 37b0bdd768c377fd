import type { FastifyInstance, FastifyReply, FastifyRequest, onResponseHookHandler } from 'fastify'
import { createDurations, type Durations, histogram, record } from './durations.ts'
import type { Family, Sample } from './family.ts'

/** What matched no route: paths that somebody makes up must not become labels. */
const NO_ROUTE = '(none)'

type Measure = (request: FastifyRequest, reply: FastifyReply) => void

/**
 * Measures every request to a route that is added from now on, from when its head was read until its answer was handed to
 * the system; and those to none, until just before.
 */
export function measureRequests(app: FastifyInstance): () => Family[] {
  const routes = new Map<string, Measure>()
  const all: { labels: Sample['labels']; durations: Durations }[] = []
  /** Of one route. */
  function createMeasure(route: string): Measure {
    /** By method and status. */
    const measured = new Map<string, Map<number, Durations>>()
    function add(method: string, status: number): Durations {
      const durations = createDurations()
      const byStatus = measured.get(method) ?? new Map<number, Durations>()
      measured.set(method, byStatus.set(status, durations))
      all.push({ labels: { method, route, status }, durations })
      return durations
    }
    return (request, reply) => {
      const durations = measured.get(request.method)?.get(reply.statusCode) ?? add(request.method, reply.statusCode)
      record(durations, reply.elapsedTime / 1000)
    }
  }
  // Of each route its own: to ask a request which one it is of costs as much as all the rest.
  app.addHook('onRoute', (route) => {
    const measure = routes.get(route.url) ?? createMeasure(route.url)
    routes.set(route.url, measure)
    const hook: onResponseHookHandler = (request, reply, done) => {
      measure(request, reply)
      done()
    }
    route.onResponse = [route.onResponse ?? [], hook].flat()
  })
  const measureOther = createMeasure(NO_ROUTE)
  // At `onSend`, which answers from memory do without: they would be asked for it, too.
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (request.is404) measureOther(request, reply)
    done()
  })
  return () => [
    histogram(
      'event_service_http_request_duration_seconds',
      'How long requests took, by their route as it is documented and the status of the answer',
      all
    )
  ]
}
