import type { FastifyInstance, onResponseHookHandler } from 'fastify'
import { createDurations, type Durations, histogram, record } from './durations.ts'
import type { Family, Sample } from './family.ts'

/** What matched no route: paths that somebody makes up must not become labels. */
const NO_ROUTE = '(none)'

/**
 * Measures every request to a route that is added from now on, from when its head was read until its answer was handed to
 * the system; and those to none.
 */
export function measureRequests(app: FastifyInstance): () => Family[] {
  const routes = new Map<string, onResponseHookHandler>()
  const all: { labels: Sample['labels']; durations: Durations }[] = []
  /** Of one route. */
  function createMeasure(route: string): onResponseHookHandler {
    /** By method and status. */
    const measured = new Map<string, Map<number, Durations>>()
    function add(method: string, status: number): Durations {
      const durations = createDurations()
      const byStatus = measured.get(method) ?? new Map<number, Durations>()
      measured.set(method, byStatus.set(status, durations))
      all.push({ labels: { method, route, status }, durations })
      return durations
    }
    return (request, reply, done) => {
      const durations = measured.get(request.method)?.get(reply.statusCode) ?? add(request.method, reply.statusCode)
      record(durations, reply.elapsedTime / 1000)
      done()
    }
  }
  // Of each route its own: to ask a request which one it is of costs as much as all the rest.
  app.addHook('onRoute', (route) => {
    const measures = routes.get(route.url) ?? createMeasure(route.url)
    routes.set(route.url, measures)
    route.onResponse = [route.onResponse ?? [], measures].flat()
  })
  const measureOther = createMeasure(NO_ROUTE)
  // Not when it was answered, as that would be asked after each answer from memory, too.
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (request.is404) measureOther.call(app, request, reply, done)
    else done()
  })
  return () => [
    histogram(
      'event_service_http_request_duration_seconds',
      'How long requests took, by their route as it is documented and the status of the answer',
      all
    )
  ]
}
