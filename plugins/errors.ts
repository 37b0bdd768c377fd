import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isStorageFailure } from '../storage/kit/errors.ts'
import { allowedMethods, type RoutePattern } from './errors/allowed-methods.ts'
import { explainValidation } from './errors/explain-validation.ts'
import { HandlerTimeout, ProblemSchema, RETRY_AFTER, sendProblem } from './errors/problem.ts'

/** Every error leaves as `application/problem+json`; what is not the client's fault is logged, once, and not shown. */
export default fp(
  async (app) => {
    app.addSchema(ProblemSchema)
    app.setErrorHandler(renderError)

    const routes: RoutePattern[] = []
    app.addHook('onRoute', ({ url, method }) => {
      // What browsers ask before they ask is no method of a route.
      const methods = [method].flat().filter((one) => one !== 'OPTIONS')
      if (methods.length > 0) routes.push({ url, methods })
    })
    app.setNotFoundHandler((request, reply) => {
      const path = request.url.split('?', 1)[0]!
      const allowed = allowedMethods(routes, path)
      // A method that is allowed was looked for and not found further in: a file of the docs.
      if (allowed.length === 0 || allowed.includes(request.method)) {
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

/** Of client errors that the framework finds; ours bring their own. */
const CODES: Record<number, string> = {
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type'
}
/** Of what is the service's fault: `detail` for people who can do nothing about it. */
const FAULTS = {
  storage: {
    status: 503,
    code: 'storage_unavailable',
    detail: 'The storage does not answer at the moment. Try again in a few seconds.'
  },
  timeout: { status: 503, code: 'timeout', detail: 'The answer took too long. Try again in a few seconds.' },
  other: { status: 500, code: 'internal_error', detail: 'This is a fault of the service, and is logged.' }
}

/** To ask the same again helps, or does not. */
const TOLD: Record<string, { isPassing: boolean }> = {
  EVT_QUERY_TOO_SLOW: { isPassing: false },
  EVT_TOO_MANY_STREAMS: { isPassing: true }
}

const toCode = (code: string) => code.slice('EVT_'.length).toLowerCase()

export function renderError(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  if (error.validation !== undefined) {
    return sendProblem(reply, explainValidation(error.validation, request))
  }
  const status = error.statusCode ?? 500
  if (status < 500) {
    const code = error.code?.startsWith('EVT_') ? toCode(error.code) : (CODES[status] ?? 'bad_request')
    const about = 'problem' in error ? (error.problem as object) : {}
    return sendProblem(reply, { ...about, status, code, detail: error.message })
  }
  // The service is well, and the error says what to do.
  const told = TOLD[error.code]
  if (told !== undefined) {
    if (told.isPassing) reply.header('retry-after', RETRY_AFTER)
    return sendProblem(reply, { status, code: toCode(error.code), detail: error.message })
  }
  const isStorage = isStorageFailure(error)
  // That the storage is away is said once, by who watches it.
  if (!isStorage) request.log.error({ err: error, url: request.url }, 'the request failed')
  const isTimeout = error instanceof HandlerTimeout
  const fault = isTimeout ? FAULTS.timeout : isStorage || status === 503 ? FAULTS.storage : FAULTS.other
  if (fault.status === 503) reply.header('retry-after', RETRY_AFTER)
  return sendProblem(reply, fault)
}
