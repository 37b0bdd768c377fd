import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildApp } from '../../app.ts'
import type { Config } from '../../plugins/config/load.ts'
import type { Command } from '../../storage/kit/command.ts'
import type { Run } from '../../storage/kit/run.ts'
import { recordHazard } from '../hazards/record.ts'
import { createApp, type TestApp } from '../helper.ts'
import { three } from '../make-feed.ts'
import { type Provider, startProvider } from '../provider.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'

/** Never due by itself. */
const KEYS = { cron: '0 0 29 2 *', run_at_start: false }

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`what an operator asks for, on ${driver}`, () => {
    let provider: Provider
    let service: TestApp
    const others: FastifyInstance[] = []
    beforeEach(async () => {
      provider = await startProvider()
      provider.serve(three)
      service = await createApp({ driver, sources: { demo: { url: provider.url, ...KEYS } } })
    })
    afterEach(async () => {
      for (const other of others.splice(0)) await other.close()
      await service.close()
      await provider.close()
    })
    const withRole = (role: 'api' | 'ingest'): Config => {
      const { config } = service.app
      return { ...config, server: { ...config.server, roles: new Set([role]) } }
    }
    async function another(role: 'api' | 'ingest', tick = true): Promise<FastifyInstance> {
      const app = await buildApp({ config: withRole(role), tick })
      others.push(app)
      await app.ready()
      return app
    }
    const ask = (action: string) => service.post(`/v1/api/sources/demo/${action}`)
    const get = async <T>(path: string) => (await service.get(`/v1/api/sources/demo${path}`)).body as unknown as T
    async function ended(id: string): Promise<Run> {
      for (;;) {
        const run = await get<Run>(`/runs/${id}`)
        if (run.outcome !== null) return run
        await sleep(20)
      }
    }
    const commands = async () => (await get<{ data: Command[] }>('/commands')).data

    it('is accepted with the address of its run, and done soon', async ({ task }) => {
      const asked = performance.now()
      const { status, headers, body } = await ask('runs')
      const { id } = body as unknown as Run
      expect(status).toBe(202)
      expect(headers.location).toBe(`/v1/api/sources/demo/runs/${id}`)
      expect(body).toMatchObject({ source: 'demo', kind: 'fetch', finished_at: null, outcome: null })
      expect(await get<Run>(`/runs/${id}`)).toMatchObject({ id })
      while (provider.requests.length === 0) await sleep(10)
      const seconds = ((performance.now() - asked) / 1000).toFixed(2)
      recordHazard(task, {
        hazard: `run now, on ${driver}`,
        expected: 'the provider is asked within 2 s',
        figure: `${seconds} s`
      })
      expect(await ended(id)).toMatchObject({ id, outcome: 'complete', counts: { created: 3 } })
      // On MongoDB its command is told a moment later.
      while ((await commands())[0]!.outcome === null) await sleep(20)
      expect(await commands()).toEqual([
        {
          id,
          source: 'demo',
          kind: 'run',
          asked_at: expect.any(String),
          finished_at: expect.any(String),
          outcome: 'complete',
          detail: null
        }
      ])
      expect((await service.get('/v1/api/sources/demo/runs/00000000-0000-7000-8000-000000000000')).status).toBe(404)
      expect((await service.get('/v1/api/sources/demo/runs/x')).status).toBe(400)
    })

    it('reaches a process with the other role', async () => {
      const api = await another('api')
      await service.app.close()
      await another('ingest')
      const headers = { authorization: `Bearer ${service.app.config.server.admin_token}` }
      const { statusCode } = await api.inject({ method: 'POST', url: '/v1/api/sources/demo/runs', headers })
      expect(statusCode).toBe(202)
      while ((await api.storage.runs('demo', { limit: 1 })).items[0]?.outcome !== 'complete') await sleep(20)
      expect(provider.requests).toHaveLength(1)
    })

    it('makes one run where a hundred ask at once, of several processes', async () => {
      await another('ingest')
      const asked = await Promise.all(Array.from({ length: 100 }, () => ask('runs')))
      expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([202]))
      const ids = new Set(asked.map(({ body }) => body.id))
      expect(ids.size).toBe(1)
      await ended([...ids][0] as string)
      await sleep(1200)
      expect((await service.app.storage.runs('demo', { limit: 10 })).items).toHaveLength(1)
      expect(provider.requests).toHaveLength(1)
    })

    it('is done once, also by a process that comes after one that died of it', async () => {
      const { storage } = service.app
      const { id } = (await ask('runs')).body as unknown as Run
      await service.app.close()
      const dead = await another('api')
      const lease = (await dead.storage.takeLease('source:demo', 'a process that dies', 2000))!
      await dead.storage.beginCommand(id)
      await dead.storage.openRun('demo', lease, 'fetch', id)
      expect(storage).not.toBe(dead.storage)
      const ingest = await another('ingest')
      while ((await ingest.storage.run('demo', id))?.outcome !== 'complete') await sleep(20)
      await sleep(700)
      expect((await ingest.storage.runs('demo', { limit: 10 })).items).toHaveLength(1)
    })

    it('pauses all processes: what is under way ends soon, and nothing fetches until it is resumed', async ({
      task
    }) => {
      provider.serve((_request, response) => {
        response.writeHead(200)
        response.write(three.slice(0, 400))
      })
      const { id } = (await ask('runs')).body as unknown as Run
      while (provider.requests.length === 0) await sleep(10)
      const asked = performance.now()
      expect(await ask('pause')).toMatchObject({ status: 200, body: { kind: 'pause', outcome: 'done' } })
      expect(await ended(id)).toMatchObject({ outcome: 'aborted', reason: 'paused', detail: 'the source was paused' })
      const waited = ((performance.now() - asked) / 1000).toFixed(2)
      recordHazard(task, {
        hazard: `pause, on ${driver}`,
        expected: 'the run is aborted within 2 s',
        figure: `${waited} s`
      })
      expect(await get('')).toMatchObject({ paused: true, circuit: { failures: 0 } })
      expect(await ask('runs')).toMatchObject({ status: 409, body: { code: 'source_paused' } })

      provider.serve(three)
      const seconds = { ...service.app.config.sources[0]!, cron: '* * * * * *', run_at_start: true }
      const config = { ...withRole('ingest'), sources: [seconds] }
      const ticking = await buildApp({ config, tick: true })
      others.push(ticking)
      await ticking.ready()
      await sleep(1500)
      expect(provider.requests).toHaveLength(1)
      expect(await ask('resume')).toMatchObject({ status: 200, body: { outcome: 'done' } })
      while (provider.requests.length < 3) await sleep(20)
      expect(await get('')).toMatchObject({ paused: false })
      expect((await commands()).map(({ kind }) => kind)).toEqual(['resume', 'pause', 'run'])
    })

    it('is refused where it cannot be done, with what to do', async () => {
      const wrong = await service.post('/v1/api/sources/nobody/runs')
      expect(wrong).toMatchObject({ status: 404 })
      expect(await ask('confirm')).toMatchObject({ status: 409, body: { code: 'nothing_to_confirm' } })
      expect(await ask('runs?now=1')).toMatchObject({ status: 400 })
      service.app.config.sources[0]!.enabled = false
      expect(await ask('runs')).toMatchObject({ status: 409, body: { code: 'source_disabled' } })
      expect(await commands()).toEqual([])
    })

    it('does not make a fetch be forgotten that was left unfinished', async () => {
      const { storage } = service.app
      await service.ingest('demo')
      const occasion = { since: (await storage.agenda()).now }
      const lease = (await storage.takeLease('source:demo', 'a process that dies', 60_000, occasion))!
      await storage.openRun('demo', lease)
      await storage.addCommand('demo', 'redrive')
      await service.app.close()
      await (await another('api')).storage.releaseLease(lease, false)
      const ingest = await another('ingest', true)
      const kinds = async () => {
        const { items } = await ingest.storage.runs('demo', { limit: 10 })
        return items.filter(({ outcome }) => outcome !== null).map(({ kind, reason }) => reason ?? kind)
      }
      while ((await kinds()).length < 4) await sleep(50)
      expect((await kinds()).sort()).toEqual(['abandoned', 'fetch', 'fetch', 'redrive'])
    })

    it('is fetched by another process at once where stopping the first one cut it short', async () => {
      provider.serve((_request, response) => {
        response.writeHead(200)
        response.write(three.slice(0, 400))
      })
      await ask('runs')
      while (provider.requests.length === 0) await sleep(10)
      await service.app.close()
      provider.serve(three)
      const ingest = await another('ingest', true)
      while ((await ingest.storage.runs('demo', { limit: 1 })).items[0]?.outcome !== 'complete') await sleep(20)
    })

    it('is given up when five processes died of it', async () => {
      const { storage } = service.app
      const lease = (await storage.takeLease('source:demo', 'somebody else', 60_000))!
      const { id } = (await ask('runs')).body as unknown as Run
      for (let i = 0; i < 5; i++) await storage.beginCommand(id)
      await storage.releaseLease(lease)
      expect(await ended(id)).toMatchObject({
        outcome: 'aborted',
        detail: 'it was begun 5 times and never came to its end'
      })
      expect(provider.requests).toHaveLength(0)
    })
  })
}
