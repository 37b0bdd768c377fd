import { STATUS_CODES } from 'node:http'
import createError from '@fastify/error'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'

const Fault = {
  parameter: Type.Optional(Type.String({ description: 'Name of the parameter that is to blame' })),
  allowed: Type.Optional(Type.String({ description: 'What it may be' }))
}

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'Always about:blank: `code` says more', examples: ['about:blank'] }),
    title: Type.String({ description: 'The name of the status' }),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; for programs', examples: ['invalid_parameter'] }),
    detail: Type.String({ description: 'For people' }),
    ...Fault,
    errors: Type.Optional(
      Type.Array(Type.Object({ detail: Type.String(), ...Fault }), {
        description: 'All parameters whose form is wrong, if more than one is'
      })
    ),
    checks: Type.Optional(
      Type.Record(Type.String(), Type.String(), { description: 'Of /readyz: each check, `ok` or what is wrong' })
    )
  },
  { $id: 'Problem', title: 'Problem', description: 'RFC 9457' }
)

export type Problem = Omit<Static<typeof ProblemSchema>, 'type' | 'title'>

/** Seconds after which a 503 may be tried again. */
export const RETRY_AFTER = '5'

/** What may have been said of an answer that then did not come about. */
const OF_ANSWERS = ['cache-control', 'content-disposition', 'content-encoding', 'etag', 'last-modified', 'link']

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  for (const name of OF_ANSWERS) reply.removeHeader(name)
  // As text, so that a route's own response schemas have no say in it.
  return reply.code(problem.status).type('application/problem+json; charset=utf-8').send(renderProblem(problem))
}

export function renderProblem(problem: Problem): string {
  const { status, ...rest } = problem
  return JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, ...rest })
}

const InvalidParameter = createError<[string]>('EVT_INVALID_PARAMETER', '%s', 400)

/** A parameter that has the right form, but cannot be used. */
export function invalidParameter(parameter: string, detail: string, allowed: string): Error {
  return Object.assign(new InvalidParameter(detail), { problem: { parameter, allowed } })
}

export const RateLimited = createError<[string]>('EVT_RATE_LIMITED', '%s', 429)

/** The answer does not come. */
export const HandlerTimeout = createError('EVT_TIMEOUT', 'the answer took too long', 503)

export const NotFound = createError<[string]>('EVT_NOT_FOUND', '%s', 404)
