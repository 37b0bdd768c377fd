import cors from '@fastify/cors'
import rateLimit from '@fastify/rate-limit'
import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import ipaddr from 'ipaddr.js'
import { RateLimited, RETRY_AFTER, sendProblem } from './errors/problem.ts'

/** How often it is looked whether there is too much to do, in milliseconds. */
const SAMPLE_MS = 500

/**
 * That one client does not take the others' share, nor all together more than there is; and which pages of other origins may
 * ask. Of the scope that registers it: whoever asks whether the process is well is always answered.
 */
export default fp(
  async (app) => {
    const { rate_limit, overload_ms, cors_origins } = app.config.server
    if (cors_origins !== '') {
      await app.register(cors, {
        origin: cors_origins === '*' ? '*' : cors_origins.split(',').map((origin) => origin.trim()),
        methods: ['GET', 'HEAD'],
        exposedHeaders: [
          'ETag',
          'Link',
          'Retry-After',
          'Warning',
          'Age',
          'RateLimit-Limit',
          'RateLimit-Remaining',
          'RateLimit-Reset'
        ],
        maxAge: 86_400
      })
    }
    if (overload_ms > 0) {
      // What the start itself takes is no load.
      let isStarting = true
      app.addHook('onReady', async () => {
        setTimeout(() => (isStarting = false), 2 * SAMPLE_MS).unref()
      })
      let isUnderPressure = () => false
      // In a scope of its own: its hook asks each request for the options of its route, for far more than its answer is worth.
      await app.register(async (scope) => {
        await scope.register(underPressure, { maxEventLoopDelay: overload_ms, sampleInterval: SAMPLE_MS })
        isUnderPressure = scope.isUnderPressure
      })
      app.addHook('onRequest', (_request, reply, done) => {
        if (isStarting || !isUnderPressure()) return done()
        sendProblem(reply.header('retry-after', RETRY_AFTER), {
          status: 503,
          code: 'overloaded',
          detail: `There is too much to do at the moment. Try again in ${RETRY_AFTER} seconds.`
        })
      })
    }
    if (rate_limit > 0) {
      await app.register(rateLimit, {
        max: rate_limit,
        timeWindow: 60_000,
        enableDraftSpec: true,
        keyGenerator: ({ ip }) => toClient(ip),
        errorResponseBuilder: (_request, { max, ttl }) =>
          new RateLimited(`More than ${max} requests within a minute. Try again in ${Math.ceil(ttl / 1000)} seconds.`)
      })
    }
  },
  { name: 'fairness', dependencies: ['config'] }
)

/** Some proxies say an address with its port, which is another one each time. */
const WITH_PORT = /^(?:\[(?<v6>[^\]]+)\](?::\d+)?|(?<v4>[\d.]+):\d+)$/

/** Whom the limit is of: whoever has one IPv6 address has 2^64 of them. */
function toClient(ip: string): string {
  const { v4, v6 } = WITH_PORT.exec(ip)?.groups ?? {}
  const address = v4 ?? v6 ?? ip
  if (!ipaddr.isValid(address)) return address
  // An IPv4 address that is written as an IPv6 one is an IPv4 address.
  const found = ipaddr.process(address)
  return found instanceof ipaddr.IPv6 ? found.parts.slice(0, 4).join(':') : found.toString()
}
