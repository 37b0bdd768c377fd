import { hostname } from 'node:os'
import fastify, { type FastifyInstance, LogController } from 'fastify'
import adapters from './plugins/adapters.ts'
import admin from './plugins/admin.ts'
import commands from './plugins/commands.ts'
import type { Config } from './plugins/config/load.ts'
import config from './plugins/config.ts'
import deadlines from './plugins/deadlines.ts'
import ending from './plugins/ending.ts'
import { rejectConnection } from './plugins/errors/reject-connection.ts'
import errors, { renderError } from './plugins/errors.ts'
import http from './plugins/http.ts'
import ingest from './plugins/ingest.ts'
import { buildSerializer } from './plugins/kit/lazy-serializer.ts'
import metrics, { type MetricsOptions } from './plugins/metrics.ts'
import operations from './plugins/operations.ts'
import query, { deferQuery } from './plugins/query.ts'
import scheduler from './plugins/scheduler.ts'
import security, { SECURITY_HEADERS } from './plugins/security.ts'
import sources from './plugins/sources.ts'
import stalledClients from './plugins/stalled-clients.ts'
import storage from './plugins/storage.ts'
import health from './routes/health.ts'
import metricsRoute from './routes/metrics.ts'

export interface AppOptions {
  config: Config
  /** Whether the scheduler starts jobs by itself; tests say false and call `app.jobs.run`. */
  tick?: boolean
  /**
   * Where another thread or process ingests for this one: whether that one is alive, or in a few words for people why it
   * is not. `/readyz` asks.
   */
  ingest?: (() => 'alive' | string) | undefined
  /** Which of several processes that answer requests this is, for the lines of its log. */
  worker?: number | undefined
  metrics?: MetricsOptions['all']
}

/** The whole service, in the order in which it is read: each concern is one plugin. It closes in the reverse order. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { server } = options.config
  const { worker } = options
  const app = fastify({
    logger: {
      level: server.log_level,
      ...(worker !== undefined && { base: { pid: process.pid, hostname: hostname(), worker } })
    },
    // A line a request says little and costs much; what fails is logged where it fails.
    logController: new LogController({ disableRequestLogging: true }),
    // One for each request would only say its number, which no other line has, for a twentieth of what an answer costs.
    childLoggerFactory: (logger) => logger,
    // Nobody may hold a connection open by saying nothing; nor by not listening: plugins/stalled-clients.ts.
    requestTimeout: 30_000,
    http: { connectionsCheckingInterval: 2000, maxHeaderSize: 16_384 },
    // When it closes, what has been accepted is still answered, and idle connections are not waited for.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    trustProxy: toTrust(server.trust_proxy),
    // Nothing that is sent to it has a body worth mentioning.
    bodyLimit: 65_536,
    // Longer ones are answered by what a route says of its parameters.
    routerOptions: { maxParamLength: 1000, querystringParser: deferQuery },
    // Of numbers: otherwise 1e400 is none, and is not compared with the greatest that there may be.
    ajv: {
      customOptions: {
        coerceTypes: true,
        removeAdditional: false,
        // Schemas are code: tests check them, and the start need not.
        validateSchema: false,
        allErrors: true,
        strictNumbers: false,
        keywords: ['x-allowed']
      }
    },
    schemaController: { compilersFactory: { buildSerializer } },
    // Of these no hook is told.
    frameworkErrors: (error, request, reply) => void renderError(error, request, reply.headers(SECURITY_HEADERS)),
    clientErrorHandler: rejectConnection
  })

  await app.register(config, { config: options.config })
  await app.register(errors)
  await app.register(security)
  await app.register(query)
  await app.register(deadlines)
  await app.register(stalledClients)
  await app.register(ending)
  await app.register(admin)
  await app.register(storage)
  await app.register(sources)
  await app.register(metrics, { all: options.metrics })
  await app.register(http)
  await app.register(adapters)
  await app.register(ingest)
  await app.register(operations)
  await app.register(commands)
  if (server.roles.has('ingest')) await app.register(scheduler, { tick: options.tick ?? true })
  if (server.roles.has('api')) await app.register(import('./plugins/docs.ts'))
  await app.register(health, { ingest: options.ingest })
  await app.register(metricsRoute)
  if (server.roles.has('api')) await app.register(api, { prefix: '/v1/api' })
  return app
}

/**
 * What is open to everybody, and so has to be shared out. It is loaded where it is served: a process or thread that only
 * ingests does without.
 */
async function api(app: FastifyInstance): Promise<void> {
  await app.register(import('./plugins/fairness.ts'))
  await app.register(import('./plugins/cursors.ts'))
  await app.register(import('./plugins/validators.ts'))
  await app.register(import('./plugins/pages.ts'))
  await app.register(import('./routes/events.ts'))
  await app.register(import('./routes/exports.ts'))
  await app.register(import('./routes/event.ts'))
  await app.register(import('./routes/changes.ts'))
  await app.register(import('./routes/sources.ts'))
  await app.register(import('./routes/source-histories.ts'))
  await app.register(import('./routes/source-runs.ts'))
  await app.register(import('./routes/source-actions.ts'))
}

/** As Fastify wants it: nobody, so many of the last ones, or these. */
function toTrust(proxies: string): boolean | string[] | ((address: string, hop: number) => boolean) {
  if (proxies === '') return false
  if (/^\d+$/.test(proxies)) return (_address, hop) => hop < Number(proxies)
  return proxies.split(',').map((proxy) => proxy.trim())
}
