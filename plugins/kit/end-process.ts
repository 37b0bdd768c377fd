import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { ConfigError } from '../config/load.ts'
import { closeConnections } from './close-connections.ts'
import type { SupervisedThread } from './supervise-thread.ts'

/**
 * After it is told to stop: how long it goes on accepting, so that what clients have sent by then is answered, not reset;
 * how long connections without a request are kept after that; how long requests have to end; and when the process is gone
 * whatever anybody does.
 */
export const STOP = { acceptMs: 1000, idleMs: 2000, requestsMs: 7000, processMs: 9000 }
/** The same of a worker that another one has taken over from: there is no hurry. */
export const DRAIN = { acceptMs: 1000, idleMs: 1000, requestsMs: 20_000, processMs: 25_000 }

/** What there is to end, of this process or thread of it. */
let stop = async () => {}
let ended: Promise<never> | undefined

/** What is to be done before the process goes. */
export function endWith(work: () => Promise<void>): void {
  stop = work
}

export function endAt(...signals: NodeJS.Signals[]): void {
  for (const signal of signals) process.on(signal, end)
}

/** Once: npm hands on a Ctrl-C that the terminal has sent here already. */
export function end(): void {
  ended ??= stop().then(() => leave(), fail)
}

export const isEnding = () => ended !== undefined

export async function stopGracefully(
  app: FastifyInstance,
  times: typeof STOP,
  ingest?: SupervisedThread
): Promise<void> {
  app.log.info('stopping')
  app.ending.abort()
  // A connection with half a request on it would hold the server open for ever.
  setTimeout(() => app.server.closeAllConnections(), times.requestsMs).unref()
  leaveAfter(times.processMs, app.log)
  // Who only ingests has none to wait for.
  const isApi = app.config.server.roles.has('api')
  await Promise.all([ingest?.stop(), isApi && closeConnections(app.server, times)])
  await app.close()
  app.log.info('stopped')
}

export function leaveAfter(ms: number, log: FastifyBaseLogger): void {
  setTimeout(() => {
    log.warn('not everything ended in time; leaving all the same')
    leave()
  }, ms).unref()
}

export function leave(code = 0): never {
  process.exit(code)
}

export function fail(error: Error): never {
  // Before there is a log; and nobody wants the stack of what is a message for people.
  const isListening = ['listen', 'bind', 'getaddrinfo'].includes(String((error as NodeJS.ErrnoException).syscall))
  const isExpected = error instanceof ConfigError || (error as { code?: string }).code?.startsWith('EVT_')
  console.error(
    isExpected
      ? error.message
      : isListening
        ? `${error.message}: set [server] host and port to what can be listened on`
        : error
  )
  leave(error instanceof ConfigError ? 2 : 1)
}
