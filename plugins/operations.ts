import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import createError from '@fastify/error'
import fp from 'fastify-plugin'
import type { JobContext } from './jobs/kit/contract.ts'
import { runJob } from './scheduler/run-job.ts'
import type { Source } from './sources.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Does something with a source under its lease, so that no run of it is under way anywhere meanwhile. Waits for one
     * that is.
     * @throws an error (409, `source_busy`) when that takes too long
     */
    operate<T>(source: Source, work: (context: JobContext) => Promise<T>, options?: OperateOptions): Promise<T>
  }
}

export interface OperateOptions {
  /** How long to wait for a run that is under way. */
  patienceMs?: number
  /** How long the work may take. */
  timeoutMs?: number
}

const POLL_MS = 100
/** Together less than a request may take. */
const DEFAULTS = { patienceMs: 3000, timeoutMs: 10_000 }
const SourceBusy = createError<[string]>('EVT_SOURCE_BUSY', '%s', 409)

/** What people do with sources between their runs. */
export default fp(
  async (app) => {
    const holder = `${hostname()}/${process.pid}/${randomUUID()}`
    const stop = new AbortController()
    const running = new Set<Promise<unknown>>()

    async function operate<T>(
      source: Source,
      work: (context: JobContext) => Promise<T>,
      { patienceMs = DEFAULTS.patienceMs, timeoutMs = DEFAULTS.timeoutMs }: OperateOptions = {}
    ): Promise<T> {
      let done: { result: T } | undefined
      const job = {
        name: `source:${source.name}`,
        timeoutMs,
        run: async (context: JobContext) => {
          done = { result: await work(context) }
        }
      }
      const environment = { storage: app.storage, holder, log: app.log, stop: stop.signal }
      const deadline = performance.now() + patienceMs
      while (!(await runJob(job, environment))) {
        if (performance.now() > deadline || stop.signal.aborted) {
          throw new SourceBusy(`A run of ${source.name} is under way; try again when it has ended.`)
        }
        await sleep(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined)
      }
      return done!.result
    }

    app.decorate('operate', (source, work, options) => {
      const operation = operate(source, work, options)
      running.add(operation)
      return operation.finally(() => running.delete(operation))
    })
    app.addHook('preClose', async () => {
      stop.abort(new DOMException('the service stops', 'AbortError'))
      await Promise.allSettled(running)
    })
  },
  { name: 'operations', dependencies: ['storage'] }
)
