import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { buildApp } from '../../../app.ts'
import { CLOSED, nextCircuit } from '../../../plugins/ingest/circuit.ts'
import type { Failure } from '../../../plugins/ingest/reasons.ts'
import { createApp, type TestApp } from '../../helper.ts'
import { three } from '../../make-feed.ts'
import { type Provider, startProvider } from '../../provider.ts'

const LIMITS = { backoff_base: 10, backoff_cap: 100, retry_after_cap: 600 }
const NOW = Date.parse('2030-05-01T12:00:00Z')
const failure = (about: Partial<Failure> = {}): Failure => ({ reason: 'connect', detail: '', ...about })

describe('after a failure', () => {
  /** Seconds to wait; null: until the cron. */
  function wait(failures: number, about: Partial<Failure>, random = 1): number | null {
    const { retry_at, failures: after } = nextCircuit({ ...CLOSED, failures }, failure(about), LIMITS, {
      now: NOW,
      random
    })
    expect(after).toBe(failures + 1)
    return retry_at === null ? null : (Date.parse(retry_at) - NOW) / 1000
  }

  it('a source waits within a span that doubles up to a cap, and never gives up', () => {
    expect([0, 1, 2, 3, 4, 5, 1000, 1e9].map((failures) => wait(failures, {}))).toEqual([
      10, 20, 40, 80, 100, 100, 100, 100
    ])
    expect([0, 0.25, 0.5].map((random) => wait(2, {}, random))).toEqual([0, 10, 20])
  })

  it('a source is left alone for as long as its provider asks, up to a cap', () => {
    const asked = (retryAfter: string) => wait(0, { reason: 'status', status: 503, retryAfter }, 0)
    expect(asked('120')).toBe(120)
    expect(asked(' 7 ')).toBe(7)
    expect(asked('999999')).toBe(600)
    expect(asked('Wed, 01 May 2030 12:02:00 GMT')).toBe(120)
    expect(asked('Wed, 01 May 2030 11:00:00 GMT')).toBe(0)
    for (const nonsense of ['', 'soon', '-5', '1.5', '2030', '1e3', '2031-01-01']) {
      expect(asked(nonsense), nonsense).toBe(nonsense === '2030' ? 600 : 0)
    }
    // Where it would wait for longer by itself, it does.
    expect(wait(3, { reason: 'status', status: 429, retryAfter: '1' })).toBe(80)
  })

  it('a source waits for its cron where no retry can heal it', () => {
    for (const status of [401, 403, 404, 410]) expect(wait(0, { reason: 'status', status })).toBeNull()
    for (const reason of ['address', 'doctype', 'limits', 'too_large', 'internal'] as const) {
      expect(wait(0, { reason })).toBeNull()
    }
    expect(wait(0, { reason: 'status', status: 403, retryAfter: '60' })).toBe(60)
    for (const status of [400, 408, 425, 429, 500, 502, 503, 504])
      expect(wait(0, { reason: 'status', status })).toBe(10)
  })
})

describe('a source that fails', () => {
  let provider: Provider
  let service: TestApp | undefined
  beforeEach(async () => {
    provider = await startProvider()
  })
  afterEach(async () => {
    await service?.close()
    await provider.close()
  })
  async function start(keys: Record<string, string | number | boolean>, options: { tick?: boolean } = {}) {
    service = await createApp({
      sources: { demo: { url: provider.url, backoff_base: 0.2, backoff_cap: 0.3, ...keys } },
      ...options
    })
    return service
  }
  /** Fails as long as the test says. */
  const failing = (isDown: () => boolean, headers: Record<string, string> = {}, status = 503) =>
    function answer(_request: IncomingMessage, response: ServerResponse) {
      if (isDown()) response.writeHead(status, headers).end()
      else response.writeHead(200).end(three)
    }
  const until = async (done: () => boolean | Promise<boolean>) => {
    while (!(await done())) await sleep(20)
  }
  const describeSource = async () => (await service!.get('/v1/api/sources/demo')).body

  it('is tried again by itself, whatever its cron says, until it succeeds', async () => {
    provider.serve(failing(() => provider.requests.length < 5))
    await start({ cron: '0 0 1 1 *' }, { tick: true })
    await until(async () => (await service!.get('/v1/api/sources/demo')).body.last_success_at !== null)
    expect(provider.requests).toHaveLength(5)
    expect(await service!.events()).toHaveLength(3)
    expect(await describeSource()).toMatchObject({ circuit: { state: 'closed', failures: 0, retry_at: null } })
    await sleep(400)
    expect(provider.requests).toHaveLength(5)
  })

  it('is tried again also where that time has come before it can be waited for', async () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0)
    onTestFinished(() => random.mockRestore())
    provider.serve(failing(() => provider.requests.length < 5))
    await start({ cron: '0 0 1 1 *' }, { tick: true })
    await until(async () => (await describeSource()).last_success_at !== null)
    expect(provider.requests).toHaveLength(5)
  })

  it('with an error that does not heal waits for its cron', async () => {
    provider.serve(failing(() => true, {}, 404))
    await start({ cron: '0 0 1 1 *' }, { tick: true })
    await until(() => provider.requests.length === 1)
    await sleep(700)
    expect(provider.requests).toHaveLength(1)
    expect(await describeSource()).toMatchObject({ circuit: { state: 'open', failures: 1, retry_at: null } })
  })

  it('is waited for over a restart', async () => {
    provider.serve(failing(() => true, { 'retry-after': '60' }))
    await start({})
    await service!.ingest('demo')
    const { circuit } = await describeSource()
    expect(circuit).toMatchObject({ state: 'open', failures: 1 })
    const { retry_at } = circuit as { retry_at: string }
    expect(Date.parse(retry_at) - Date.now()).toBeGreaterThan(55_000)
    expect(Date.parse(retry_at) - Date.now()).toBeLessThanOrEqual(60_000)
    const { config } = service!.app
    const other = await buildApp({ config, tick: true })
    await other.ready()
    await sleep(500)
    await other.close()
    expect(provider.requests).toHaveLength(1)
  })

  it('is tried again after a restart, also if it is not to run at the start and its time has come meanwhile', async () => {
    provider.serve(failing(() => provider.requests.length < 2))
    await start({ cron: '0 0 1 1 *', run_at_start: false, backoff_base: 0.1, backoff_cap: 0.1 })
    await service!.ingest('demo')
    await sleep(110)
    const other = await buildApp({ config: service!.app.config, tick: true })
    await other.ready()
    await until(async () => (await describeSource()).last_success_at !== null)
    await other.close()
    expect(provider.requests).toHaveLength(2)
  })

  it('is not being tried while something else is done with the source', async () => {
    provider.serve(failing(() => true, { 'retry-after': '60' }))
    await start({})
    await service!.ingest('demo')
    const { operate, storage, sources } = service!.app
    await operate(sources.list[0]!, async ({ lease }) => {
      await storage.openRun('demo', lease, 'reparse')
      expect(await describeSource()).toMatchObject({ circuit: { state: 'open' }, last_run: { kind: 'reparse' } })
    })
    await operate(sources.list[0]!, async ({ lease }) => {
      await storage.openRun('demo', lease)
      expect(await describeSource()).toMatchObject({ circuit: { state: 'half_open' } })
    })
  })

  it('is healed by a run that succeeds, in between or by hand', async () => {
    let isDown = true
    provider.serve(failing(() => isDown))
    await start({ backoff_base: 60, backoff_cap: 60 })
    await service!.ingest('demo')
    await service!.ingest('demo')
    expect(await describeSource()).toMatchObject({ circuit: { failures: 2 }, last_run: { outcome: 'failed' } })
    isDown = false
    expect(await service!.ingest('demo')).toMatchObject({ outcome: 'complete' })
    expect(await describeSource()).toMatchObject({ circuit: { state: 'closed', failures: 0, retry_at: null } })
  })
})
