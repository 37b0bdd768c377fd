import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildApp } from '../../app.ts'
import { StorageUnavailable } from '../../storage/kit/errors.ts'
import { createApp, type TestApp } from '../helper.ts'
import { three } from '../make-feed.ts'
import { type Provider, startProvider } from '../provider.ts'

/** Never due by its cron, so that only a retry can bring it back. */
const KEYS = { cron: '0 0 29 2 *', backoff_base: 0.5, backoff_cap: 0.5 }

describe('a retry', () => {
  let provider: Provider
  let service: TestApp
  beforeEach(async () => {
    provider = await startProvider()
  })
  afterEach(async () => {
    await service.close()
    await provider.close()
  })
  async function start(keys: Record<string, string | number | boolean> = {}, tick = true) {
    service = await createApp({ sources: { demo: { url: provider.url, ...KEYS, ...keys } }, tick })
    return service.app.storage
  }
  const circuit = async () => (await service.app.storage.sources())[0]!.circuit
  async function untilHealed() {
    provider.serve(three)
    while ((await circuit()).failures > 0) await sleep(20)
  }
  const untilAsked = async (times = 1) => {
    while (provider.requests.length < times) await sleep(10)
  }

  it('still comes when its time was when somebody else held the source', { timeout: 40_000 }, async () => {
    const storage = await start()
    await untilAsked()
    let lease = null
    while (lease === null) {
      await sleep(5)
      lease = await storage.takeLease('source:demo', 'somebody else', 60_000)
    }
    await sleep(800)
    await storage.releaseLease(lease)
    await untilHealed()
  })

  it('still comes when its time was when the storage did not answer', async () => {
    const storage = await start()
    await untilAsked()
    const { takeLease } = storage
    storage.takeLease = async () => {
      throw new StorageUnavailable('gone')
    }
    await sleep(800)
    storage.takeLease = takeLease
    await untilHealed()
  })

  it('comes when a run could not even be recorded', async () => {
    const storage = await start({}, false)
    const { closeRun } = storage
    let failed = 0
    storage.closeRun = async (run, end) => {
      if (failed++ === 0) throw new StorageUnavailable('gone')
      return closeRun(run, end)
    }
    const other = await buildApp({ config: service.app.config, tick: true })
    other.storage.closeRun = storage.closeRun
    await other.ready()
    await untilAsked(2)
    await untilHealed()
    await other.close()
    expect(failed).toBeGreaterThan(1)
  })

  it('comes after a start, also when its time was before and nothing runs at the start', async () => {
    await start({ run_at_start: false }, false)
    await service.ingest('demo')
    await sleep(600)
    const other = await buildApp({ config: service.app.config, tick: true })
    await other.ready()
    await untilHealed()
    await other.close()
  })

  it('that is years away, because a clock was wrong, is not waited for, nor does it keep anybody busy', async () => {
    const storage = await start({}, false)
    await service.ingest('demo')
    const { sources } = storage
    let reads = 0
    const wrong = async () => {
      reads++
      const [one] = await sources()
      return [{ ...one!, circuit: { failures: 1, retry_at: '2199-01-01T00:00:00.000Z' } }]
    }
    const other = await buildApp({ config: service.app.config, tick: true })
    other.storage.sources = wrong
    provider.serve(three)
    await other.ready()
    await untilAsked(2)
    await sleep(300)
    expect(reads).toBeLessThan(20)
    await other.close()
  })
})
