import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { FastifyBaseLogger } from 'fastify'
import { backoff } from './backoff.ts'

export interface SupervisedThread {
  start(): void
  /** Asks the thread to end what it is doing, and waits until it has. */
  stop(): Promise<void>
}

/** A batch lives through several collections of a space of any size; a small one is less memory for the same work. */
const YOUNG_MB = 16
/** A thread that has lived this long starts with a clean record. */
const HEALTHY_MS = 60_000

/** Keeps one thread running: one that dies, of its heap limit or of a fault, is replaced after a growing pause. */
export function superviseThread(
  file: URL,
  { heapMb, log }: { heapMb: number; log: FastifyBaseLogger }
): SupervisedThread {
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
    // Not `once` of node:events, which rejects at the error that comes before.
    await new Promise((resolve) => worker!.once('exit', resolve))
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
