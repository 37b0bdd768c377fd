import type { FastifyReply, preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { HandlerTimeout } from './errors/problem.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether its answers take as long as the client takes to read them. */
    isOpenEnded?: boolean
  }
  interface FastifyReply {
    /** Its place among those that wait; null: it is none of them. */
    waitingAt: number | null
  }
}

export interface DeadlineOptions {
  /** How long a request may wait for its answer. */
  deadlineMs?: number
  /** How often those are looked for that have waited longer: by so much later they may be answered. */
  lookMs?: number
}

/**
 * Answers requests whose answer does not come. Fastify's `handlerTimeout` would do the same with a timer, an abort signal and a
 * listener for each request, which is a fifth of what an answer from memory costs.
 */
export default fp<DeadlineOptions>(
  async (app, { deadlineMs = 15_000, lookMs = 500 }) => {
    // Places that are used again, and no map: from one whose entries come and go all the time V8 takes new tables, each of
    // which keeps the next one in memory with all that it holds, however long that has been answered.
    const waiting: (FastifyReply | null)[] = []
    const since: number[] = []
    const free: number[] = []
    app.decorateReply('waitingAt', null)
    function leave(reply: FastifyReply): void {
      if (reply.waitingAt === null) return
      waiting[reply.waitingAt] = null
      free.push(reply.waitingAt)
      reply.waitingAt = null
    }
    const wait: preValidationHookHandler = (_request, reply, done) => {
      reply.waitingAt = free.pop() ?? waiting.length
      waiting[reply.waitingAt] = reply
      since[reply.waitingAt] = performance.now()
      done()
    }
    app.addHook('onRoute', (route) => {
      if (route.config?.isOpenEnded !== true) route.preValidation = [wait, route.preValidation ?? []].flat()
    })
    app.addHook('onResponse', (_request, reply, done) => {
      leave(reply)
      done()
    })
    const timer = setInterval(() => {
      const late = performance.now() - deadlineMs
      for (const [place, reply] of waiting.entries()) {
        if (reply === null || since[place]! > late) continue
        leave(reply)
        // One that is on its way takes as long as the client takes to read it; and who has left waits for none.
        if (!reply.sent && !reply.raw.headersSent && !reply.raw.destroyed) reply.send(new HandlerTimeout())
      }
    }, lookMs).unref()
    app.addHook('onClose', async () => clearInterval(timer))
  },
  { name: 'deadlines', dependencies: ['errors'] }
)
