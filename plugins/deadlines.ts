import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { HandlerTimeout } from './errors/problem.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether its answers take as long as the client takes to read them. */
    isOpenEnded?: boolean
  }
}

export interface DeadlineOptions {
  /** How long a request may wait for its answer. */
  deadlineMs?: number
  lookMs?: number
}

/**
 * Answers requests whose answer does not come. Fastify's `handlerTimeout` would do the same with a timer, an abort signal and a
 * listener for each request, which is a fifth of what an answer from memory costs.
 */
export default fp<DeadlineOptions>(
  async (app, { deadlineMs = 15_000, lookMs = 500 }) => {
    const waiting = new Map<FastifyReply, number>()
    app.addHook('preValidation', (request, reply, done) => {
      if (request.routeOptions.config.isOpenEnded !== true) waiting.set(reply, performance.now())
      done()
    })
    app.addHook('onResponse', (_request, reply, done) => {
      waiting.delete(reply)
      done()
    })
    const timer = setInterval(() => {
      const late = performance.now() - deadlineMs
      // In the order in which they came.
      for (const [reply, since] of waiting) {
        if (since > late) return
        waiting.delete(reply)
        // One that is on its way takes as long as the client takes to read it.
        if (!reply.sent && !reply.raw.headersSent) reply.send(new HandlerTimeout())
      }
    }, lookMs).unref()
    app.addHook('onClose', async () => clearInterval(timer))
  },
  { name: 'deadlines', dependencies: ['errors'] }
)
