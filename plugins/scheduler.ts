import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import schedule from '@fastify/schedule'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { AsyncTask, CronJob } from 'toad-scheduler'
import type { JobDefinition } from './jobs/kit/contract.ts'
import { backoff } from './kit/backoff.ts'
import { readFolder } from './kit/folder.ts'
import { LEASE_MS, runJob } from './scheduler/run-job.ts'

declare module 'fastify' {
  interface FastifyInstance {
    jobs: Jobs
  }
}

export interface Jobs {
  add(job: JobDefinition): void
  /**
   * Runs a job now, as its cron would.
   * @returns whether it ran; false while it runs here or elsewhere already, or the service is stopping.
   */
  run(name: string): Promise<boolean>
}

export interface SchedulerOptions {
  /** Whether to start jobs by themselves, at the start and on their crons; left out by tests, which call `jobs.run`. */
  tick: boolean
}

/** Between two tries of a job, whatever it says. */
const MIN_PAUSE_MS = 100

/** Runs every file of `plugins/jobs/` on its cron. On close it stops, aborts what runs, and waits until it has ended. */
export default fp<SchedulerOptions>(
  async (app, { tick }) => {
    await app.register(schedule)
    const holder = `${hostname()}/${process.pid}/${randomUUID()}`
    const stop = new AbortController()
    const definitions = new Map<string, JobDefinition>()
    const running = new Map<string, Promise<boolean>>()

    async function run(name: string): Promise<boolean> {
      const job = definitions.get(name)
      if (job === undefined) throw new Error(`there is no job ${name}; jobs: ${[...definitions.keys()].join(', ')}`)
      if (running.has(name) || stop.signal.aborted) return false
      const log = app.log.child({ job: name })
      const done = runJob(job, { storage: app.storage, holder, log, stop: stop.signal })
      running.set(name, done)
      try {
        return await done
      } finally {
        running.delete(name)
      }
    }

    app.decorate('jobs', {
      run,
      add(job) {
        if (definitions.has(job.name)) throw new Error(`two jobs have the name ${job.name}`)
        definitions.set(job.name, job)
      }
    })

    for (const job of (await readFolder<FastifyPluginAsync>(new URL('jobs/', import.meta.url))).values()) {
      await app.register(job)
    }

    const timers = new Map<string, NodeJS.Timeout>()

    interface Occasion {
      /** It is run only if there is a time at which it was to be tried again. */
      isRetry?: boolean
      /** Whoever holds its lease may be a process that was killed. */
      isStart?: boolean
      /** In a row: it could not even be tried. */
      failures?: number
    }
    function later(job: JobDefinition, ms: number, occasion: Occasion): void {
      clearTimeout(timers.get(job.name))
      if (stop.signal.aborted) return
      timers.set(
        job.name,
        setTimeout(() => void attend(job, occasion), Math.max(0, ms))
      )
    }
    /** Runs a job, unless it is not to run yet, and sees to it that it is tried again when it ought to be. */
    async function attend(job: JobDefinition, { isRetry, isStart, failures = 0 }: Occasion = {}): Promise<void> {
      clearTimeout(timers.get(job.name))
      const next = async () => (await job.notBefore?.())?.getTime()
      try {
        const at = await next()
        // It has been run meanwhile, here or elsewhere, and all is well.
        if (isRetry && at === undefined) return
        if (at !== undefined && at > Date.now()) return later(job, at - Date.now(), { isRetry: true })
        if (await run(job.name)) {
          const retryAt = await next()
          if (retryAt !== undefined) later(job, Math.max(MIN_PAUSE_MS, retryAt - Date.now()), { isRetry: true })
        } else if (isStart || at !== undefined) later(job, LEASE_MS, { isRetry: !isStart })
      } catch (error) {
        if (stop.signal.aborted) return
        app.log.error({ err: error, job: job.name }, 'the job failed')
        // One that says when it is to be tried again is not done with before it could say so.
        if (job.notBefore !== undefined)
          later(job, backoff(failures), { ...(isRetry && { isRetry }), failures: failures + 1 })
      }
    }

    async function start(): Promise<void> {
      await untilReady()
      if (stop.signal.aborted) return
      for (const job of definitions.values()) {
        const task = new AsyncTask(job.name, () => attend(job))
        const timing = { cronExpression: job.cron, timezone: job.timezone ?? 'UTC' }
        app.scheduler.addCronJob(new CronJob(timing, task, { id: job.name, preventOverrun: true }))
        // A failure before the start is retried all the same.
        void attend(job, job.atStart ? { isStart: true } : { isRetry: true })
      }
    }
    const isReady = () =>
      app.storage.ping().then(
        () => true,
        () => false
      )
    async function untilReady(): Promise<void> {
      for (let failures = 0; !stop.signal.aborted && !(await isReady()); failures++) {
        await sleep(backoff(failures), undefined, { signal: stop.signal }).catch(() => undefined)
      }
    }

    let started: Promise<void> | undefined
    if (tick) {
      app.addHook('onReady', async () => {
        started = start()
      })
    }
    app.addHook('preClose', async () => {
      stop.abort(new DOMException('the service stops', 'AbortError'))
      await started
      for (const timer of timers.values()) clearTimeout(timer)
      await Promise.allSettled(running.values())
    })
  },
  { name: 'scheduler', dependencies: ['storage', 'sources', 'ingest'] }
)
