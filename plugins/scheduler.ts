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

    const logFailure = (name: string) => (error: unknown) => app.log.error({ err: error, job: name }, 'the job failed')
    const retries = new Map<string, NodeJS.Timeout>()

    /** As the clock has it, unless the job is not to run yet: then at the time from which on it may. */
    async function runWhenDue(job: JobDefinition): Promise<boolean> {
      const at = await job.notBefore?.()
      if (at && at.getTime() > Date.now()) {
        retryAt(at, job)
        return true
      }
      const ran = await run(job.name)
      if (ran) retryAt(await job.notBefore?.(), job)
      return ran
    }
    /** The time may have come already: then now. */
    function retryAt(at: Date | null | undefined, job: JobDefinition): void {
      clearTimeout(retries.get(job.name))
      if (!at || stop.signal.aborted) return
      const retry = () => void runAgain(job).catch(logFailure(job.name))
      retries.set(job.name, setTimeout(retry, Math.max(0, at.getTime() - Date.now())))
    }
    async function runAgain(job: JobDefinition): Promise<void> {
      // Null: it has been run meanwhile, here or elsewhere, and all is well.
      if ((await job.notBefore?.()) !== null) await runWhenDue(job)
    }

    async function start(): Promise<void> {
      await untilReady()
      if (stop.signal.aborted) return
      for (const job of definitions.values()) {
        const task = new AsyncTask(job.name, async () => void (await runWhenDue(job)), logFailure(job.name))
        const timing = { cronExpression: job.cron, timezone: job.timezone ?? 'UTC' }
        app.scheduler.addCronJob(new CronJob(timing, task, { id: job.name, preventOverrun: true }))
        void (job.atStart ? runAtStart(job) : goOnRetrying(job)).catch(logFailure(job.name))
      }
    }
    async function runAtStart(job: JobDefinition): Promise<void> {
      if ((await runWhenDue(job)) || stop.signal.aborted) return
      // A process that was killed while it ran this holds the lease until it expires.
      await sleep(LEASE_MS, undefined, { signal: stop.signal }).catch(() => undefined)
      await runWhenDue(job)
    }
    /** A failure before the start is retried all the same. */
    async function goOnRetrying(job: JobDefinition): Promise<void> {
      retryAt(await job.notBefore?.(), job)
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
      for (const timer of retries.values()) clearTimeout(timer)
      await Promise.allSettled(running.values())
    })
  },
  { name: 'scheduler', dependencies: ['storage', 'sources', 'ingest'] }
)
