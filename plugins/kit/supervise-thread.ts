import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, Worker } from 'node:worker_threads'
import type { FastifyBaseLogger } from 'fastify'
import { backoff } from './backoff.ts'
import { createWatchdog } from './watchdog.ts'

export interface SupervisedThread {
  start(): void
  /** `alive`, or why it is not: half a sentence for people. */
  state(): string
  /** Ends the thread as `stop` does, and starts another one. */
  restart(): void
  /** Asks the thread to end what it is doing, and waits until it has. */
  stop(): Promise<void>
}

/** A batch lives through several collections of a space of any size; a small one is less memory for the same work. */
export const YOUNG_MB = 12
/** A thread that has lived this long starts with a clean record. */
const HEALTHY_MS = 60_000

/** How often a thread says that it goes on, and how long it may be silent. */
const ALIVE_MS = 1000
const SILENT_MS = 30_000
/** How long it has to end what it does before it is replaced. */
const RESTART_MS = 10_000

interface SuperviseOptions {
  /** What the thread that starts next gets. */
  settings(): { heapMb: number; data?: unknown }
  log: FastifyBaseLogger
  onState?: ((state: string) => void) | undefined
  /** For tests. */
  silentMs?: number
}

/**
 * Keeps one thread running: one that dies, of its heap limit or of a fault, or that hangs, is replaced after a growing
 * pause. The thread has to call `reportAlive`, and `reportReady` once it does its work.
 */
export function superviseThread(file: URL, options: SuperviseOptions): SupervisedThread {
  const { settings, log, onState, silentMs = SILENT_MS } = options
  const stopping = new AbortController()
  let state = 'it has not started yet'
  let worker: Worker | undefined
  let running: Promise<void> | undefined
  let isRestarting = false

  function tell(now: string): void {
    if (now === state) return
    state = now
    onState?.(state)
  }
  async function keepRunning(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      isRestarting = false
      const started = performance.now()
      await runOnce()
      if (stopping.signal.aborted) return
      if (isRestarting) continue
      failures = performance.now() - started > HEALTHY_MS ? 0 : failures + 1
      const ms = backoff(failures)
      tell('it ended by itself, and is started again shortly')
      log.error({ retry_ms: ms }, 'the ingest thread ended; starting another one')
      await sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  async function runOnce(): Promise<void> {
    const { heapMb, data } = settings()
    const thread = new Worker(file, {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: YOUNG_MB }
    })
    worker = thread
    thread.on('error', (error) => log.error({ err: error }, 'the ingest thread failed'))
    const watchdog = createWatchdog(silentMs, () => {
      log.error({ silent_ms: silentMs }, 'the ingest thread does not answer: it hangs in something that never ends')
      void thread.terminate()
    })
    thread.on('message', (message) => {
      watchdog.pat()
      if (message === 'ready') tell('alive')
    })
    // Not `once` of node:events, which rejects at the error that comes before.
    await new Promise((resolve) => thread.once('exit', resolve))
    watchdog.stop()
    worker = undefined
  }

  return {
    start() {
      running = keepRunning()
    },
    state: () => state,
    restart() {
      // Between two of them the next one starts with the new settings anyway.
      const thread = worker
      if (thread === undefined || isRestarting) return
      isRestarting = true
      thread.postMessage('stop')
      const deadline = setTimeout(() => void thread.terminate(), RESTART_MS)
      thread.once('exit', () => clearTimeout(deadline))
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

/** In the thread: tells its supervisor that it has started. */
export function reportReady(): void {
  parentPort?.postMessage('ready')
}
