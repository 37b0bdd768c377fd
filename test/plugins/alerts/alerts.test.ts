import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildApp } from '../../../app.ts'
import { createApp, type TestApp, type TestAppOptions } from '../../helper.ts'
import { three } from '../../make-feed.ts'
import { writeFeed } from '../../provider/feeds.ts'
import { type Provider, startProvider } from '../../provider.ts'
import { DRIVERS, whyNot } from '../../storage/fixtures.ts'
import { createLog } from '../create-log.ts'
import { EXAMPLE, type Receiver, SECRET, startReceiver } from './receiver.ts'

const MANY = writeFeed(40)

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`alerts on ${driver}`, () => {
    let provider: Provider
    let receiver: Receiver
    let service: TestApp
    beforeEach(async () => {
      provider = await startProvider()
      receiver = await startReceiver()
      return async () => {
        await provider.close()
        await receiver.close()
      }
    })
    afterEach(() => service.close())

    async function start(
      source: Record<string, string | number | boolean> = {},
      alerts: TestAppOptions['alerts'] = {}
    ) {
      service = await createApp({
        driver,
        sources: { demo: { url: provider.url, ...source } },
        alerts: { url: receiver.url, secret: SECRET, failures: 2, ...alerts }
      })
    }
    const look = ({ app }: Pick<TestApp, 'app'> = service) => app.jobs.run('send-alerts')
    async function fetchTimes(times: number) {
      for (let i = 0; i < times; i++) await service.ingest('demo')
    }
    const failing = async () => (await service.app.storage.alerts()).filter(({ kind }) => kind === 'failing')
    /** As if the time to try again had come. */
    async function hurry() {
      const { storage } = service.app
      const lease = (await storage.takeLease('send-alerts', randomUUID(), 60_000))!
      await storage.saveAlerts(
        lease,
        (await storage.alerts()).map((alert) => ({ ...alert, retry_at: null }))
      )
      await storage.releaseLease(lease)
    }

    it('tell of so many failures in a row, once, with all that one needs at night; and of the end', async () => {
      await start()
      await fetchTimes(1)
      await look()
      expect(receiver.notices).toEqual([])
      await fetchTimes(1)
      await look()
      await look()
      await fetchTimes(1)
      await look()
      expect(receiver.notices).toHaveLength(1)
      const runs = (await service.app.storage.runs('demo', { limit: 10 })).items
      const since = runs.at(-1)!.started_at
      expect(receiver.notices[0]).toEqual({
        id: expect.stringMatching(/^[0-9a-f-]{36}\/firing$/),
        kind: 'failing',
        status: 'firing',
        source: 'demo',
        text: `demo could not be fetched 2 times in a row, since ${since}`,
        since,
        recovered_at: null,
        reason: 'status',
        detail: 'the provider answered with status 503',
        hint: expect.stringContaining('see what the provider answers'),
        failures: 2,
        last_success_at: null,
        see: ['/v1/api/sources/demo', '/v1/api/sources/demo/runs']
      })
      expect(Object.keys(receiver.notices[0]!)).toEqual(Object.keys(EXAMPLE))
      for (const path of receiver.notices[0]!.see) expect((await service.get(path)).status).toBe(200)

      provider.serve(three)
      await fetchTimes(1)
      await look()
      await look()
      expect(receiver.told()).toEqual(['failing firing demo', 'failing recovered demo'])
      expect(receiver.notices[1]).toMatchObject({ text: 'demo is fetched again', since, failures: 0, reason: null })
      expect(receiver.notices[1]!.recovered_at).not.toBeNull()
      expect(receiver.notices[1]!.id).toBe(receiver.notices[0]!.id.replace('firing', 'recovered'))
      expect(await service.app.storage.alerts()).toEqual([])
    })

    it('tell of too much that is missing', async () => {
      await start()
      provider.serve(MANY)
      await fetchTimes(1)
      provider.serve(three)
      await fetchTimes(1)
      await look()
      expect(receiver.told()).toEqual(['suspicious firing demo'])
      expect(receiver.notices[0]!.text).toMatch(/^demo lacks 37 events since .*: nothing is delisted$/)
      expect(receiver.notices[0]!.hint).toContain('confirm (POST /v1/api/sources/demo/confirm)')
      await fetchTimes(1)
      await look()
      expect(receiver.told()).toEqual(['suspicious firing demo', 'suspicious recovered demo'])
    })

    it('tell of one that is stale, but not while it is paused, nor before its first run could have ended', async () => {
      await start({ cron: '* * * * * *', timeout: 4 }, { failures: 1000 })
      await look()
      expect(receiver.notices).toEqual([])
      await service.post('/v1/api/sources/demo/pause')
      await sleep(4100)
      await look()
      expect(receiver.notices).toEqual([])
      await service.post('/v1/api/sources/demo/resume')
      await look()
      await sleep(4100)
      await look()
      expect(receiver.told()).toEqual(['stale firing demo'])
      expect(receiver.notices[0]!.text).toMatch(/: no fetch of it has ever succeeded$/)
      provider.serve(three)
      await fetchTimes(1)
      await look()
      await sleep(5200)
      await look()
      expect(receiver.told().slice(1)).toEqual(['stale recovered demo', 'stale firing demo'])
      expect(receiver.notices[2]!.text).toMatch(/: the last fetch that succeeded ended at 20/)
      await service.post('/v1/api/sources/demo/pause')
      await look()
      expect(receiver.told().slice(3)).toEqual(['stale recovered demo'])
      expect(receiver.notices[3]!.text).toBe('demo is no longer waited for')
    })

    it('are told by one of many processes, also after a restart', async () => {
      await start()
      const { config } = service.app
      const others = await Promise.all([1, 2, 3].map(() => buildApp({ config, tick: false })))
      await fetchTimes(2)
      for (let round = 0; round < 5; round++) await Promise.all([service.app, ...others].map((app) => look({ app })))
      expect(receiver.told()).toEqual(['failing firing demo'])
      for (const other of others) await other.close()

      const restarted = await buildApp({ config, tick: false })
      await look({ app: restarted })
      expect(receiver.told()).toEqual(['failing firing demo'])
      provider.serve(three)
      await fetchTimes(1)
      await look({ app: restarted })
      await look()
      expect(receiver.told()).toEqual(['failing firing demo', 'failing recovered demo'])
      await restarted.close()
    })

    it('wait for a receiver that is away, and are told once it is back', async () => {
      await start()
      await receiver.close()
      await fetchTimes(2)
      await look()
      expect(await failing()).toMatchObject([{ begin_told: 'no', failures: 1 }])
      await hurry()
      await look()
      expect(await failing()).toMatchObject([{ begin_told: 'no', failures: 2 }])
      await receiver.open()
      await look()
      expect(receiver.notices).toEqual([])
      await hurry()
      await look()
      expect(receiver.told()).toEqual(['failing firing demo'])
    })

    it('are not told late in pairs: what was over before it could be told is left out', async () => {
      await start()
      await receiver.close()
      await fetchTimes(2)
      await look()
      provider.serve(three)
      await fetchTimes(1)
      await look()
      expect(await failing()).toEqual([])
      await receiver.open()
      await look()
      expect(receiver.notices).toEqual([])
    })

    it('are told to be over, where the receiver may have heard that they began', async () => {
      await start({}, { timeout: 1 })
      receiver.answer(() => undefined)
      await fetchTimes(2)
      await look()
      expect(await failing()).toMatchObject([{ begin_told: 'maybe', failures: 1 }])
      receiver.answer((response) => response.writeHead(204).end())
      await hurry()
      await look()
      // The same one: it can be dropped.
      expect(receiver.told()).toEqual(['failing firing demo', 'failing firing demo'])
      expect(receiver.notices[0]!.id).toBe(receiver.notices[1]!.id)
      receiver.answer((response) => response.writeHead(500).end())
      provider.serve(three)
      await fetchTimes(1)
      await look()
      expect(await failing()).toMatchObject([{ begin_told: 'yes', end_told: 'maybe' }])
      // As its end may have been heard of, what comes then is another one.
      provider.serve({ status: 500 })
      await fetchTimes(2)
      receiver.answer((response) => response.writeHead(204).end())
      await look()
      expect(receiver.told().slice(2)).toEqual(['failing recovered demo', 'failing firing demo'])
      expect(receiver.notices[3]!.id).not.toBe(receiver.notices[0]!.id)
    })

    it('are told again, as the same, after a process that ended in the middle of it', async () => {
      await start()
      const other = await buildApp({ config: service.app.config, tick: false })
      receiver.answer(() => undefined)
      await fetchTimes(2)
      const looking = look({ app: other }).catch(() => undefined)
      await expect.poll(() => receiver.notices.length).toBe(1)
      expect(await failing()).toMatchObject([{ begin_told: 'maybe' }])
      await other.close()
      await looking
      receiver.answer((response) => response.writeHead(204).end())
      await look()
      await look()
      expect(receiver.told()).toEqual(['failing firing demo', 'failing firing demo'])
      expect(receiver.notices[0]!.id).toBe(receiver.notices[1]!.id)
    })

    it('go to no address that is not public, unless that is meant', async () => {
      await start({}, { allow_private: false })
      const { lines, log } = createLog()
      service.app.log.child = () => log as never
      await fetchTimes(2)
      await look()
      expect(receiver.notices).toEqual([])
      expect(await failing()).toMatchObject([{ begin_told: 'no', failures: 1 }])
      const [said] = lines.filter(({ msg }) => msg.startsWith('an alert'))
      expect(said).toMatchObject({ hint: 'set allow_private = true in [alerts] if this address is meant' })
    })

    it('are counted, and their failures are logged without what is secret', async () => {
      await start()
      const { lines, log } = createLog()
      service.app.log.child = () => log as never
      receiver.answer((response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end())
      await fetchTimes(2)
      await look()
      receiver.answer((response) => response.writeHead(204).end())
      await hurry()
      await look()
      expect(receiver.notices).toHaveLength(2)
      const said = lines.filter(({ msg }) => msg.startsWith('an alert'))
      expect(said.map(({ msg }) => msg)).toEqual([
        'an alert could not be delivered: the receiver answered 302',
        'an alert was delivered'
      ])
      expect(said[0]).toMatchObject({
        level: 40,
        source: 'demo',
        alert: 'failing',
        hint: expect.stringContaining('redirects')
      })
      expect(JSON.stringify(lines)).not.toContain('S3CRET')
      expect(JSON.stringify(lines)).not.toContain(SECRET)
      const metrics = String((await service.get('/metrics')).body)
      expect(metrics).toContain('event_service_alert_deliveries_total{outcome="delivered"} 1')
      expect(metrics).toContain('event_service_alert_deliveries_total{outcome="failed"} 1')
    })
  })
}
