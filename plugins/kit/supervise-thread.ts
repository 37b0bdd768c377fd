import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, Worker } from 'node:worker_threads'
import type { FastifyBaseLogger } from 'fastify'
import { backoff } from './backoff.ts'

export interface SupervisedThread {
  start(): void
  /** Asks the thread to end what it is doing, and waits until it has. */
  stop(): Promise<void>
}

/** A batch lives through several collections of a space of any size; a small one is less memory for the same work. */
export const YOUNG_MB = 16
/** A thread that has lived this long starts with a clean record. */
const HEALTHY_MS = 60_000

/** How often a thread says that it goes on, and how long it may be silent. */
const ALIVE_MS = 1000
const SILENT_MS = 30_000

interface SuperviseOptions {
  heapMb: number
  log: FastifyBaseLogger
  /** For tests. */
  silentMs?: number
}

/**
 * Keeps one thread running: one that dies, of its heap limit or of a fault, or that hangs, is replaced after a growing
 * pause. The thread has to call `reportAlive`.
 */
export function superviseThread(file: URL, { heapMb, log, silentMs = SILENT_MS }: SuperviseOptions): SupervisedThread {
  const stopping = new AbortController()
  let worker: Worker | undefined
  let running: Promise<void> | undefined

  async function keepRunning(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const started = performance.now()
      await runOnce()
      if (stopping.signal.aborted) return
      failures = performance.now() - started > HEALTHY_MS ? 0 : failures + 1
      const ms = backoff(failures)
      log.error({ retry_ms: ms }, 'the ingest thread ended; starting another one')
      await sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  async function runOnce(): Promise<void> {
    worker = new Worker(file, {
      resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: YOUNG_MB }
    })
    worker.on('error', (error) => log.error({ err: error }, 'the ingest thread failed'))
    const watchdog = setTimeout(() => {
      log.error({ silent_ms: silentMs }, 'the ingest thread does not answer: it hangs in something that never ends')
      void worker!.terminate()
    }, silentMs)
    worker.on('message', () => watchdog.refresh())
    // Not `once` of node:events, which rejects at the error that comes before.
    await new Promise((resolve) => worker!.once('exit', resolve))
    clearTimeout(watchdog)
  }

  return {
    start() {
      running = keepRunning()
    },
    async stop() {
      stopping.abort()
      worker?.postMessage('stop')
      await running
    }
  }
}

/** In the thread: tells its supervisor that it goes on. */
export function reportAlive(): void {
  parentPort?.postMessage('alive')
  setInterval(() => parentPort?.postMessage('alive'), ALIVE_MS).unref()
}
