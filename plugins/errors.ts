import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { allowedMethods, type RoutePattern } from './errors/allowed-methods.ts'
import { explainValidation } from './errors/explain-validation.ts'
import { ProblemSchema, sendProblem } from './errors/problem.ts'

/** Every error leaves as `application/problem+json`; what is not the client's fault is logged, once, and not shown. */
export default fp(
  async (app) => {
    app.addSchema(ProblemSchema)
    app.setErrorHandler(renderError)

    const routes: RoutePattern[] = []
    app.addHook('onRoute', ({ url, method }) => void routes.push({ url, methods: [method].flat() }))
    app.setNotFoundHandler((request, reply) => {
      const path = request.url.split('?', 1)[0]!
      const allowed = allowedMethods(routes, path)
      if (allowed.length === 0) {
        return sendProblem(reply, {
          status: 404,
          code: 'not_found',
          detail: `There is nothing at ${path}. What there is: /v1/api/docs/ui`
        })
      }
      reply.header('allow', allowed.join(', '))
      const detail = `${request.method} is not allowed here; allowed: ${allowed.join(', ')}`
      return sendProblem(reply, { status: 405, code: 'method_not_allowed', detail })
    })
  },
  { name: 'errors' }
)

export function renderError(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  if (error.validation !== undefined) {
    return sendProblem(reply, explainValidation(error.validation, request))
  }
  const status = error.statusCode ?? 500
  if (status < 500) {
    const code = error.code?.startsWith('EVT_') ? error.code.slice(4).toLowerCase() : 'bad_request'
    return sendProblem(reply, {
      ...('problem' in error ? (error.problem as object) : {}),
      status,
      code,
      detail: error.message
    })
  }
  request.log.error({ err: error }, 'the request failed')
  if (status === 503) {
    reply.header('retry-after', '5')
    return sendProblem(reply, {
      status,
      code: 'storage_unavailable',
      detail: 'The storage does not answer at the moment. Try again in a few seconds.'
    })
  }
  return sendProblem(reply, {
    status: 500,
    code: 'internal_error',
    detail: 'This is a fault of the service, and is logged.'
  })
}
