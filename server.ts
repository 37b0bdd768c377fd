import cluster from 'node:cluster'
import { once } from 'node:events'
import { enableCompileCache } from 'node:module'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { AppOptions } from './app.ts'
import { keepFixed } from './plugins/config/keep-fixed.ts'
import type { Config } from './plugins/config/load.ts'
import { readConfig } from './plugins/config.ts'
import {
  DRAIN,
  end,
  endAt,
  endWith,
  fail,
  isEnding,
  leave,
  leaveAfter,
  STOP,
  stopGracefully
} from './plugins/kit/end-process.ts'
import { keepTickShape } from './plugins/kit/keep-tick-shape.ts'
import * as thread from './plugins/kit/supervise-thread.ts'
import * as workers from './plugins/kit/supervise-workers.ts'
import { takeTurns } from './plugins/kit/take-turns.ts'
import { answerMetrics, askThread } from './plugins/metrics/of-thread.ts'
import { connectMetrics, relayMetrics } from './plugins/metrics/of-workers.ts'
import { measureRuntime } from './plugins/metrics/runtime.ts'
import type { MetricsOptions } from './plugins/metrics.ts'

/** Where the next start finds what this one has compiled; without it, as where it cannot be written, it takes longer. */
const COMPILED = fileURLToPath(new URL('node_modules/.cache/compiled/', import.meta.url))

/** What the whole process does, or one thread of it. */
async function main(): Promise<void> {
  enableCompileCache(COMPILED)
  keepTickShape()
  if (!isMainThread) return await runIngestThread(workerData)
  if (cluster.isWorker) return await runWorker()
  const config = await readConfig()
  if (config.server.workers > 1 && config.server.roles.has('api')) await runCluster(config)
  else await runProcess(config)
}

/** Not before it is known where compiled code is kept. */
async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  return (await import('./app.ts')).buildApp(options)
}

/** With both roles the API answers here, and a thread of its own ingests: parsing is work that requests would wait for. */
async function runProcess(config: Config): Promise<void> {
  endAt('SIGTERM', 'SIGINT', 'SIGHUP')
  const { server } = config
  const both = server.roles.size === 2
  const app = await buildApp({
    config: both ? withRole(config, 'api') : config,
    ingest: both ? () => ingest!.state() : undefined,
    metrics: both ? addThread() : undefined
  })
  const ingest = both ? superviseIngest(() => config, app.log) : undefined
  endWith(() => stopGracefully(app, STOP, ingest))

  await app.listen({ host: server.host, port: server.port })
  if (server.roles.has('api')) logDocs(app.log, app.listeningOrigin)
  ingest?.start()
}

/** Workers answer requests. This process starts them, and the thread that ingests, and keeps them running. */
async function runCluster(config: Config): Promise<void> {
  endAt('SIGTERM', 'SIGINT')
  const { default: fastify } = await import('fastify')
  const { log } = fastify({ logger: { level: config.server.log_level } })
  let current = config
  const ingest = config.server.roles.has('ingest') ? superviseIngest(() => current, log, tellState) : undefined
  const pool = workers.superviseWorkers(new URL(import.meta.url), {
    settings: () => ({ count: current.server.workers, first: { config: current, ingest: ingest?.state() } }),
    log,
    onHopeless: leave,
    closeMs: STOP.acceptMs / 2
  })
  function tellState(ingest: string): void {
    pool.tell({ ingest })
  }
  endWith(async () => {
    log.info('stopping')
    leaveAfter(STOP.processMs, log)
    await Promise.all([ingest?.stop(), pool.stop()])
    log.info('stopped')
  })
  const [all, runtime] = [addThread(), measureRuntime('primary')]
  relayMetrics(() => all(runtime))
  const listening = pool.start()
  const restart = takeTurns(async () => {
    await listening
    const before = current
    try {
      current = keepFixed(current, await readConfig(), log)
    } catch (error) {
      return log.error({ reason: (error as Error).message }, 'told to restart; all goes on as it was')
    }
    log.info('restarting: workers one after the other, then ingestion')
    if (await pool.replaceAll()) {
      log.level = current.server.log_level
      ingest?.restart()
      log.info('restarted')
    } else if (!isEnding()) {
      current = before
      log.error('a new worker did not start; the others, and ingestion, go on as they were')
    }
  })
  process.on('SIGHUP', () => void restart())

  const origin = await listening
  log.info(`Server listening at ${origin}`)
  logDocs(log, origin)
  ingest?.start()
}

/** One of the processes that answer requests. The primary has read the configuration, so that all have the same. */
async function runWorker(): Promise<void> {
  endAt('SIGTERM', 'SIGINT')
  // It is for the primary; a terminal sends it to all.
  process.on('SIGHUP', () => undefined)
  const worker = cluster.worker!
  worker.on('disconnect', () => {
    // Otherwise a worker whose primary is gone would be gone at once, too, with the requests that it has.
    worker.exitedAfterDisconnect = true
    end()
  })
  workers.reportAlive()
  let ingest: string | undefined
  let times = STOP
  const { promise: first, resolve } = Promise.withResolvers<Config>()
  worker.on('message', (message) => {
    if (message === 'drain') times = DRAIN
    if (message === 'drain' || message === 'stop') return end()
    if (message.ingest !== undefined) ingest = message.ingest
    if (message.config !== undefined) resolve(message.config)
  })

  const config = withRole(await first, 'api')
  const metrics = connectMetrics()
  const app = await buildApp({
    config,
    worker: worker.id,
    ingest: ingest === undefined ? undefined : () => ingest!,
    metrics: metrics.askAll
  })
  metrics.answer(app.metrics.own)
  endWith(async () => {
    await stopGracefully(app, times)
    await metrics.sayLast()
    // The primary may have handed over a connection that is still on its way: then it gets it back.
    if (worker.isConnected()) await Promise.all([once(worker, 'disconnect'), worker.disconnect()])
  })
  const { host, port, log_level } = config.server
  // The primary says where.
  app.log.level = 'warn'
  await app.listen({ host, port })
  app.log.level = log_level
  workers.reportListening(app.listeningOrigin)
}

async function runIngestThread(config: Config): Promise<void> {
  thread.reportAlive()
  standBack()
  const app = await buildApp({ config: withRole(config, 'ingest') })
  parentPort!.once('message', async () => {
    await app.close()
    parentPort!.close()
  })
  app.addHook('onClose', answerMetrics(app.metrics.own))
  await app.ready()
  thread.reportReady()
}

function superviseIngest(config: () => Config, log: FastifyBaseLogger, onState?: (state: string) => void) {
  const settings = () => ({ heapMb: config().server.ingest_heap_mb, data: config() })
  return thread.superviseThread(new URL(import.meta.url), { settings, log, onState })
}

/** To what this thread has counted, what the one that ingests has. */
function addThread(): NonNullable<MetricsOptions['all']> {
  const ask = askThread()
  return async (own) => {
    const [mine, theirs] = await Promise.all([own(), ask()])
    return [mine, ...theirs]
  }
}

/** Requests go first where there are too few cores. On Linux it is about the thread; elsewhere it would be the process. */
function standBack(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // Where it is not allowed nothing is lost but that.
  }
}

function withRole(config: Config, role: 'api' | 'ingest'): Config {
  return { ...config, server: { ...config.server, roles: new Set([role]) } }
}

function logDocs(log: FastifyBaseLogger, origin: string): void {
  log.info(`the API is documented at ${origin}/v1/api/docs/ui`)
}

main().catch(fail)
