import { setTimeout as sleep } from 'node:timers/promises'
import fastify from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JobContext, JobDefinition } from '../../plugins/jobs/kit/contract.ts'
import { runJob } from '../../plugins/scheduler/run-job.ts'
import { createApp } from '../helper.ts'
import { createStore, type TestStore } from '../storage/fixtures.ts'

let store: TestStore
beforeEach(async () => {
  store = await createStore('sqlite')
  return () => store.close()
})

const { log } = fastify({ logger: { level: 'silent' } })
const job = (run: JobDefinition['run'], timeoutMs = 60_000): JobDefinition => ({
  name: 'job',
  cron: '* * * * *',
  timeoutMs,
  run
})
const start = (definition: JobDefinition, { stop = new AbortController().signal, holder = 'a' } = {}) =>
  runJob(definition, { storage: store.storage, holder, log, stop })
/** Runs until its signal aborts, and tells why it did. */
const untilAborted =
  (seen: { reason?: DOMException }) =>
  async ({ signal }: JobContext) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    seen.reason = signal.reason
  }

describe('a job', () => {
  it('runs under a lease of its name, which is free again afterwards', async () => {
    let during: unknown
    const definition = job(async ({ lease }) => {
      expect(lease).toMatchObject({ name: 'job', holder: 'a' })
      during = await start(definition, { holder: 'b' })
    })
    expect(await start(definition)).toBe(true)
    expect(during).toBe(false)
    expect(await store.storage.takeLease('job', 'c', 1000)).not.toBeNull()
  })

  it('that fails gives its lease back, too', async () => {
    await expect(start(job(() => Promise.reject(new Error('no luck'))))).rejects.toThrow('no luck')
    await expect(
      start(
        job(() => {
          throw new Error('at once')
        })
      )
    ).rejects.toThrow('at once')
    expect(await store.storage.takeLease('job', 'c', 1000)).not.toBeNull()
  })

  it('is told when its time is over', async () => {
    const seen: { reason?: DOMException } = {}
    expect(await start(job(untilAborted(seen), 50))).toBe(true)
    expect(seen.reason).toMatchObject({ name: 'TimeoutError', message: 'not done after 0.05 s' })
  })

  it('does not count the time that it waited for its lease as time that it has it', async () => {
    const seen: { reason?: DOMException } = {}
    const slow = {
      ...store.storage,
      takeLease: async (...args: Parameters<typeof store.storage.takeLease>) => {
        const lease = await store.storage.takeLease(...args)
        await sleep(2800)
        return lease
      }
    }
    const asked = performance.now()
    await runJob(job(untilAborted(seen)), {
      ...{ storage: slow, holder: 'a', log, stop: new AbortController().signal },
      leaseMs: 3600
    })
    expect(seen.reason).toMatchObject({ name: 'LeaseLostError' })
    // Not at the first renewal, another 1200 ms later.
    expect(performance.now() - asked).toBeLessThan(3600)
  })

  it('is told when the service stops', async () => {
    const seen: { reason?: DOMException } = {}
    const stop = new AbortController()
    const running = start(job(untilAborted(seen)), { stop: stop.signal })
    await sleep(20)
    stop.abort(new DOMException('the service stops', 'AbortError'))
    await running
    expect(seen.reason).toMatchObject({ name: 'AbortError' })
  })

  it.each([true, false])('is begun again by another process if stopping has cut it short: %s', async (isCutShort) => {
    const { storage } = store
    const stop = new AbortController()
    const definition = job(async ({ signal }) => {
      stop.abort(new DOMException('the service stops', 'AbortError'))
      if (isCutShort) signal.throwIfAborted()
    })
    const occasion = { since: (await storage.agenda()).now + 1 }
    expect(await runJob(definition, { storage, holder: 'a', log, stop: stop.signal, occasion })).toBe(true)
    expect((await storage.takeLease('job', 'b', 60_000, { abandoned: true })) !== null).toBe(isCutShort)
  })
})

describe('a lease', () => {
  it('is renewed for as long as its job runs', async () => {
    let takenBy: unknown
    const definition = job(async () => {
      await sleep(700)
      takenBy = await store.storage.takeLease('job', 'b', 1000)
    })
    expect(
      await runJob(definition, {
        storage: store.storage,
        holder: 'a',
        log,
        stop: new AbortController().signal,
        leaseMs: 300
      })
    ).toBe(true)
    expect(takenBy).toBeNull()
  })

  it('that somebody else took ends its job', async () => {
    const seen: { reason?: DOMException } = {}
    const storage = { ...store.storage, renewLease: async () => false }
    await runJob(job(untilAborted(seen)), {
      storage,
      holder: 'a',
      log,
      stop: new AbortController().signal,
      leaseMs: 300
    })
    expect(seen.reason).toMatchObject({ name: 'LeaseLostError' })
  })

  it('that cannot be renewed ends its job before it can have expired, also when the storage never answers', async () => {
    const failures = [() => new Promise<boolean>(() => undefined), () => Promise.reject(new Error('away'))]
    const ends = failures.map(async (renewLease, i) => {
      const seen: { reason?: DOMException } = {}
      const started = performance.now()
      const storage = { ...store.storage, renewLease }
      await runJob(
        { ...job(untilAborted(seen)), name: `job ${i}` },
        {
          storage,
          holder: 'a',
          log,
          stop: new AbortController().signal,
          leaseMs: 3600
        }
      )
      expect(seen.reason).toMatchObject({ name: 'LeaseLostError' })
      expect(performance.now() - started).toBeLessThan(3600)
    })
    await Promise.all(ends)
  })
})

describe('the scheduler', () => {
  let app: Awaited<ReturnType<typeof createApp>>
  beforeEach(async () => {
    app = await createApp({ sources: { a: { url: 'file:a.xml' }, b: { url: 'file:b.xml', enabled: false } } })
  })
  afterEach(() => app.close())

  it('has one job for each source that is enabled, and those of plugins/jobs/', async () => {
    expect(await app.app.jobs.run('source:a')).toBe(true)
    expect(await app.app.jobs.run('prune-history')).toBe(true)
    await expect(app.app.jobs.run('source:b')).rejects.toThrow('there is no job source:b; jobs: ')
  })

  it('runs nothing once it is closed', async () => {
    await app.app.close()
    expect(await app.app.jobs.run('source:a')).toBe(false)
  })
})

it('starts jobs at the start and on their crons when it is let', async () => {
  const { buildApp } = await import('../../app.ts')
  const app = await createApp({ sources: { a: { url: 'file:a.xml' }, b: { url: 'file:b.xml', run_at_start: false } } })
  const ticking = await buildApp({ config: app.app.config, tick: true })
  await ticking.ready()
  while ((await app.app.storage.runs('a', { limit: 1 })).items.length === 0) await sleep(10)
  expect((await app.app.storage.runs('b', { limit: 1 })).items).toEqual([])
  await ticking.close()
  await app.close()
})
