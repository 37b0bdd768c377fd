import schedule from '@fastify/schedule'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { AsyncTask, SimpleIntervalJob } from 'toad-scheduler'
import type { Agenda, Occasion } from '../storage/kit/contract.ts'
import { isStorageFailure } from '../storage/kit/errors.ts'
import type { JobDefinition } from './jobs/kit/contract.ts'
import { readFolder } from './kit/folder.ts'
import { doCommand } from './scheduler/do-command.ts'
import { findDue } from './scheduler/find-due.ts'
import { createRunner, type Work } from './scheduler/runner.ts'

declare module 'fastify' {
  interface FastifyInstance {
    jobs: Jobs
  }
}

export interface Jobs {
  add(job: JobDefinition): void
  /**
   * Runs a job now, whatever its cron says.
   * @returns whether it ran; false while it runs here or elsewhere already, or the service is stopping.
   */
  run(name: string): Promise<boolean>
}

export interface SchedulerOptions {
  /** Whether to start jobs by themselves, at the start and on their crons; left out by tests, which call `jobs.run`. */
  tick: boolean
}

/** A fetch that is asked for is one as any other: if it is cut short, it is taken over at once. */
const ANY_TIME: Occasion = { since: Number.MAX_SAFE_INTEGER }

/** How often to look at what there is to do: as long as a command may wait, and a cron be late. */
const LOOK_MS = 500

/**
 * Runs every file of `plugins/jobs/` on its cron, and does what people ask for. Both are found in the storage, which
 * has the only clock that counts, so it does not matter which of many processes does them, or dies of it. On close it
 * aborts what runs, and waits until it has ended.
 */
export default fp<SchedulerOptions>(
  async (app, { tick }) => {
    await app.register(schedule)
    const definitions = new Map<string, JobDefinition>()
    const runner = createRunner(app.storage, app.log)

    app.decorate('jobs', {
      async run(name) {
        const job = definitions.get(name)
        if (job === undefined) throw new Error(`there is no job ${name}; jobs: ${[...definitions.keys()].join(', ')}`)
        return runner.run(job)
      },
      add(job) {
        if (definitions.has(job.name)) throw new Error(`two jobs have the name ${job.name}`)
        definitions.set(job.name, job)
      }
    })

    for (const job of (await readFolder<FastifyPluginAsync>(new URL('jobs/', import.meta.url))).values()) {
      await app.register(job)
    }

    let startedAt: number | undefined
    async function look(): Promise<void> {
      const agenda = await app.storage.agenda()
      startedAt ??= agenda.now
      runner.endPaused(agenda.paused)
      const due = tick ? findAllDue(agenda, startedAt) : new Map<string, Occasion>()
      for (const command of agenda.commands) {
        const source = app.sources.list.find(({ name }) => name === command.source)
        // A source that is not configured here may be elsewhere.
        if (source === undefined) continue
        const name = `source:${source.name}`
        const isPaused = agenda.paused.includes(source.name)
        const isFetch = command.kind === 'run'
        const work: Work = {
          name,
          timeoutMs: source.timeout * 1000,
          ...(isFetch && { source }),
          run: (context) => doCommand(command, { app, source, isPaused, context })
        }
        runner.start(work, isFetch ? ANY_TIME : undefined)
        // What was left unfinished is this very fetch, or is done with it.
        if (isFetch && 'abandoned' in (due.get(name) ?? {})) due.delete(name)
      }
      for (const [name, occasion] of due) runner.start(definitions.get(name)!, occasion)
    }
    function findAllDue(agenda: Agenda, startedAt: number): Map<string, Occasion> {
      const due = new Map<string, Occasion>()
      for (const job of definitions.values()) {
        const occasion = findDue(job, agenda, startedAt, runner.retryOf(job, agenda.now))
        if (occasion !== null) due.set(job.name, occasion)
      }
      return due
    }
    const task = new AsyncTask('look', look, (error) => {
      // A storage that does not answer is told of where it is watched.
      if (!isStorageFailure(error)) app.log.error({ err: error }, 'jobs and commands cannot be found')
    })
    app.addHook('onReady', async () => {
      const often = { milliseconds: LOOK_MS, runImmediately: true }
      app.scheduler.addSimpleIntervalJob(new SimpleIntervalJob(often, task, { id: 'look', preventOverrun: true }))
    })
    app.addHook('preClose', async () => {
      app.scheduler.stop()
      await runner.stop()
    })
  },
  { name: 'scheduler', dependencies: ['storage', 'sources', 'ingest'] }
)
