import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { FastifyBaseLogger } from 'fastify'
import type { Occasion, Storage } from '../../storage/kit/contract.ts'
import { isStorageFailure, LeaseLost } from '../../storage/kit/errors.ts'
import type { JobDefinition } from '../jobs/kit/contract.ts'
import { backoff } from '../kit/backoff.ts'
import { runJob } from './run-job.ts'

export type Work = Pick<JobDefinition, 'name' | 'timeoutMs' | 'source' | 'run'>

export interface Runner {
  /** @returns whether it ran; false while it runs here or elsewhere already, or this is stopping */
  run(work: Work, occasion?: Occasion): Promise<boolean>
  /** The same without waiting for it: what goes wrong is logged, and tried again. */
  start(work: Work, occasion?: Occasion): void
  /** Aborts what fetches one of these sources. */
  endPaused(sources: string[]): void
  /**
   * What a job is to be run for again, since it failed here.
   * @param now milliseconds, by the storage's clock
   */
  retryOf(job: JobDefinition, now: number): Occasion | null
  /** Aborts what runs, and waits until it has ended. Nothing is run afterwards. */
  stop(): Promise<void>
}

interface Running {
  done: Promise<boolean>
  paused: AbortController
  source: string | undefined
}

/** What runs in this process: of each name one at a time. */
export function createRunner(storage: Storage, log: FastifyBaseLogger): Runner {
  const holder = `${hostname()}/${process.pid}/${randomUUID()}`
  const stop = new AbortController()
  const running = new Map<string, Running>()
  /** What could not even be recorded as a run: when that was, and when to try again, by the time since the start. */
  const failed = new Map<string, { failures: number; at: number; retryAt: number }>()

  async function run(work: Work, occasion?: Occasion): Promise<boolean> {
    const { name, source } = work
    if (running.has(name) || stop.signal.aborted) return false
    const paused = new AbortController()
    const environment = { storage, holder, log: log.child({ job: name }), stop: stop.signal, paused: paused.signal }
    const done = runJob(work, { ...environment, ...(occasion && { occasion }) })
    running.set(name, { done, paused, source: source?.name })
    try {
      return await done
    } finally {
      running.delete(name)
    }
  }

  return {
    run,
    start(work, occasion) {
      const { name } = work
      const { failures, retryAt } = failed.get(name) ?? { failures: 0, retryAt: 0 }
      if (running.has(name) || performance.now() < retryAt) return
      run(work, occasion).then(
        () => failed.delete(name),
        (error) => {
          if (stop.signal.aborted) return
          if (error instanceof LeaseLost) {
            log.warn(
              { job: name },
              'the job was not recorded: it stood still for too long, and another process took it over'
            )
            return
          }
          // A storage that does not answer is told of where it is watched.
          if (!isStorageFailure(error)) log.error({ err: error, job: name }, 'the job failed')
          const at = performance.now()
          failed.set(name, { failures: failures + 1, at, retryAt: at + backoff(failures) })
        }
      )
    },
    endPaused(sources) {
      for (const { source, paused } of running.values()) {
        if (source === undefined || !sources.includes(source)) continue
        paused.abort(new DOMException('the source was paused', 'PausedError'))
      }
    },
    retryOf({ name }, now) {
      const failure = failed.get(name)
      return failure === undefined ? null : { since: now - (performance.now() - failure.at) }
    },
    async stop() {
      stop.abort(new DOMException('the service stops', 'AbortError'))
      await Promise.allSettled([...running.values()].map(({ done }) => done))
    }
  }
}
