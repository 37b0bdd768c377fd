import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { type Config, ConfigError } from './plugins/config/load.ts'
import { readConfig } from './plugins/config.ts'
import { reportAlive, type SupervisedThread, superviseThread } from './plugins/kit/supervise-thread.ts'

/**
 * After it is told to stop: how long it goes on accepting, so that what clients have sent by then is answered, not reset;
 * how long requests have to end; and when the process is gone whatever anybody does.
 */
const STOP = { acceptMs: 300, requestsMs: 5000, processMs: 9000 }

/** What the whole process does, or one thread of it. */
async function main(): Promise<void> {
  const config = await readConfig()
  if (isMainThread) await runProcess(config)
  else await runIngestThread(config)
}

/** With both roles the API answers here, and a thread of its own ingests: parsing is work that requests would wait for. */
async function runProcess(config: Config): Promise<void> {
  const { server } = config
  let stop = async () => {}
  let stopped: Promise<never> | undefined
  // Once: npm hands on a Ctrl-C that the terminal has sent here already.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (stopped ??= stop().then(leave, fail)))

  const both = server.roles.size === 2
  const app = await buildApp({ config: both ? withRole(config, 'api') : config })
  const thread = both
    ? superviseThread(new URL(import.meta.url), { heapMb: server.ingest_heap_mb, log: app.log })
    : undefined
  stop = () => stopGracefully(app, thread)

  await app.listen({ host: server.host, port: server.port })
  if (server.roles.has('api')) app.log.info(`the API is documented at ${app.listeningOrigin}/v1/api/docs/ui`)
  thread?.start()
}

async function stopGracefully(app: FastifyInstance, thread: SupervisedThread | undefined): Promise<void> {
  app.log.info('stopping')
  // A connection with half a request on it would hold the server open for ever.
  setTimeout(() => app.server.closeAllConnections(), STOP.requestsMs).unref()
  setTimeout(() => {
    app.log.warn('not everything ended in time; leaving all the same')
    leave()
  }, STOP.processMs).unref()
  app.server.keepAliveTimeout = 1
  await Promise.all([thread?.stop(), sleep(STOP.acceptMs).then(() => app.close())])
  app.log.info('stopped')
}

async function runIngestThread(config: Config): Promise<void> {
  reportAlive()
  standBack()
  const app = await buildApp({ config: withRole(config, 'ingest') })
  parentPort!.once('message', async () => {
    await app.close()
    parentPort!.close()
  })
  await app.ready()
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

function leave(): never {
  process.exit(0)
}

function fail(error: Error): never {
  // Before there is a log; and nobody wants the stack of what is a message for people.
  const isListening = ['listen', 'getaddrinfo'].includes(String((error as NodeJS.ErrnoException).syscall))
  const isExpected = error instanceof ConfigError || (error as { code?: string }).code?.startsWith('EVT_')
  console.error(
    isExpected
      ? error.message
      : isListening
        ? `${error.message}: set [server] host and port to what can be listened on`
        : error
  )
  process.exit(error instanceof ConfigError ? 2 : 1)
}

main().catch(fail)
