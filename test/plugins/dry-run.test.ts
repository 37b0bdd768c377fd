import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildApp } from '../../app.ts'
import type { Config } from '../../plugins/config/load.ts'
import type { DryRunResult } from '../../plugins/ingest/dry-run/result.ts'
import type { Command } from '../../storage/kit/command.ts'
import { createApp, type TestApp } from '../helper.ts'
import { event, list, three } from '../make-feed.ts'
import { type Provider, startProvider } from '../provider.ts'
import { dumpStore } from '../storage/dump.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'

/** Never due by itself. */
const KEYS = { cron: '0 0 29 2 *', run_at_start: false }
const ADDRESS = '/v1/api/sources/demo/runs?dry_run=true'
const NONE = { total: 0, has_more: false, items: [] }

type Answer = Omit<Command, 'result'> & { result: DryRunResult | null }

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`a dry run on ${driver}`, () => {
    let provider: Provider
    let service: TestApp
    const others: FastifyInstance[] = []
    async function start(keys: Record<string, string | number | boolean> = {}) {
      service = await createApp({ driver, sources: { demo: { url: provider.url, ...KEYS, ...keys } } })
    }
    beforeEach(async () => {
      provider = await startProvider()
      provider.serve(three)
    })
    afterEach(async () => {
      for (const other of others.splice(0)) await other.close()
      await service.close()
      await provider.close()
    })
    async function ingest(document: string) {
      provider.serve(document)
      return service.ingest('demo')
    }
    async function dryRun(document?: string): Promise<DryRunResult> {
      if (document !== undefined) provider.serve(document)
      const { status, body } = await service.post(ADDRESS)
      expect(status).toBe(200)
      return (body as unknown as Answer).result!
    }
    async function another(role: 'api' | 'ingest'): Promise<FastifyInstance> {
      const { config } = service.app
      const withRole: Config = { ...config, server: { ...config.server, roles: new Set([role]) } }
      const app = await buildApp({ config: withRole })
      others.push(app)
      await app.ready()
      return app
    }
    const runs = async (app = service.app) => (await app.storage.runs('demo', { limit: 10 })).items
    async function finished(app: FastifyInstance, id: string): Promise<Command> {
      for (;;) {
        const command = await app.storage.command('demo', id)
        if (command!.finished_at !== null) return command!
        await sleep(20)
      }
    }

    it('of a source that never ran says that all of it is new, and leaves it so', async () => {
      await start()
      const before = await dumpStore(service.app)
      const { status, headers, body } = await service.post(ADDRESS)
      expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
      const answer = body as unknown as Answer
      expect(answer).toMatchObject({ source: 'demo', kind: 'dry_run', outcome: 'complete', detail: null })
      expect(answer.result).toMatchObject({
        outcome: 'complete',
        reason: null,
        detail: null,
        counts: { seen: 3, created: 3, delisted: 0 },
        changes: { updated: NONE, restored: NONE, delisted: NONE, withheld: NONE, rejected: NONE }
      })
      const { total, has_more, items } = answer.result!.changes.created
      expect([total, has_more, items.map(({ title }) => title)]).toEqual([3, false, ['Event 1', 'Event 2', 'Event 3']])
      expect(await dumpStore(service.app)).toEqual(before)
      expect(await service.events()).toEqual([])
      const { last_success_at, last_run } = (await service.get('/v1/api/sources/demo')).body
      expect([last_success_at, last_run]).toEqual([null, null])
      expect((await service.get('/metrics')).body).not.toContain('event_service_runs_total{')
      // Also at its address, and in the list without what it says.
      expect((await service.get(`/v1/api/sources/demo/commands/${answer.id}`)).body).toEqual(answer)
      const { result: _result, ...listed } = answer
      expect((await service.get('/v1/api/sources/demo/commands')).body.data).toEqual([listed])
      expect((await service.get(`/v1/api/sources/demo/runs/${answer.id}`)).status).toBe(404)
    })

    it('says field by field what changes, what goes, what comes back, and what is refused though it stays', async () => {
      await start()
      await ingest(list(event(1), event(2), event(3), event(4), event(5)))
      await ingest(list(event(1), event(2), event(3), event(4)))
      const zones = '<zone zone_id="1" capacity="10" price="20.50" name="A" numbered="true" />'
      const changed = event(1, { sold_out: 'true' }).replace(zones, `${zones.replace('20.50', '18.00')}${zones}`)
      const rejected = event(3, { event_start_date: '2035-02-30T20:00:00' })
      const { outcome, counts, changes } = await dryRun(
        list(changed, event(2), rejected, event(5, {}).replace('Event 5', 'Event V'), event(6))
      )
      expect(outcome).toBe('complete')
      expect(counts).toMatchObject({ created: 1, updated: 1, unchanged: 1, delisted: 1, restored: 1, rejected: 1 })
      const zone = { zone_id: '1', name: 'A', capacity: 10, price: 20.5, numbered: true }
      expect(changes.updated).toEqual({
        total: 1,
        has_more: false,
        items: [
          {
            id: expect.stringMatching(/^[0-9a-f-]{36}$/),
            base_event_id: '1',
            event_id: '1',
            title: 'Event 1',
            start_date: '2035-05-01T20:00:00',
            fields: [
              { field: 'sold_out', old: false, new: true },
              { field: 'min_price', old: 20.5, new: 18 },
              { field: 'zones', old: [], new: [{ ...zone, price: 18 }] }
            ],
            is_cut: false
          }
        ]
      })
      expect(changes.restored.items).toMatchObject([
        { event_id: '5', title: 'Event V', fields: [{ field: 'title', old: 'Event 5', new: 'Event V' }] }
      ])
      expect(changes.delisted.items).toEqual([
        {
          id: expect.any(String),
          base_event_id: '4',
          event_id: '4',
          title: 'Event 4',
          start_date: '2035-05-01T20:00:00'
        }
      ])
      expect(changes.created.items).toMatchObject([{ event_id: '6', zones: [zone], is_cut: false }])
      expect(changes.rejected).toMatchObject({
        total: 1,
        items: [{ reason: expect.stringContaining('2035-02-30'), path: expect.stringContaining('[3]'), is_cut: true }]
      })
      expect(changes.rejected.items[0]!.raw).toMatch(/^<base_event.{280,}…$/s)
    })

    it('says what would be withheld where too much is missing, and does not count as the first of two that agree', async () => {
      await start()
      const all = Array.from({ length: 20 }, (_, i) => event(i))
      await ingest(list(...all))
      for (let time = 0; time < 2; time++) {
        const { outcome, reason, detail, counts, changes } = await dryRun(list(...all.slice(0, 8), event(30)))
        expect({ outcome, reason }).toEqual({ outcome: 'suspicious', reason: 'vanished' })
        expect(detail).toBe('the snapshot lacks 12 of 21 events to come; nothing was delisted')
        expect([counts.delisted, changes.delisted.total, changes.withheld.total]).toEqual([0, 0, 12])
        expect(changes.withheld.items.map(({ event_id }) => Number(event_id))).toEqual(
          Array.from({ length: 12 }, (_, i) => 8 + i)
        )
        expect((await service.get('/v1/api/sources/demo')).body.suspicion).toBeNull()
      }
    })

    it('asks the provider as a run does, and takes nothing from it that the next run needs', async () => {
      await start()
      let etag = '"1"'
      provider.serve((request, response) => {
        const isKnown = request.headers['if-none-match'] === etag
        response.writeHead(isKnown ? 304 : 200, { etag }).end(isKnown ? '' : three)
      })
      await service.ingest('demo')
      expect(await dryRun()).toMatchObject({ outcome: 'unchanged', counts: { seen: 0, bytes: 0 } })
      etag = '"2"'
      for (let time = 0; time < 2; time++) {
        expect(await dryRun()).toMatchObject({ outcome: 'unchanged', counts: { seen: 3, unchanged: 3 } })
        expect(provider.requests.at(-1)!.headers['if-none-match']).toBe('"1"')
      }
    })

    it('of a provider that fails says so, and spares it for nothing', async () => {
      await start()
      await ingest(three)
      const before = await dumpStore(service.app)
      provider.serve((_request, response) => response.writeHead(503, { 'retry-after': '60' }).end())
      expect(await dryRun()).toMatchObject({ outcome: 'failed', reason: 'status', counts: { seen: 0 } })
      expect(await dryRun(list(event(1), event(9)).slice(0, -40))).toMatchObject({
        outcome: 'partial',
        reason: 'truncated',
        changes: { created: { total: 1 }, delisted: NONE }
      })
      expect(await dumpStore(service.app)).toEqual(before)
      expect((await service.get('/v1/api/sources/demo')).body.circuit).toMatchObject({ state: 'closed' })
    })

    it('counts all, and shows some, whatever their size', async () => {
      await start()
      const long = Array.from({ length: 1200 }, (_, i) =>
        event(i).replace(`title="Event ${i}"`, `title="x${'ñ🎭'.repeat(150)}"`)
      )
      const bad = Array.from({ length: 300 }, (_, i) => event(`bad ${i}`, { sold_out: 'maybe' }))
      const first = await dryRun(list(...long, ...bad))
      expect(first.changes.created).toMatchObject({ total: 1200, has_more: true })
      expect(first.changes.rejected).toMatchObject({ total: 300, has_more: true, items: { length: 200 } })
      const { items } = first.changes.created
      expect(items.length).toBeGreaterThan(50)
      expect(items.length).toBeLessThan(200)
      for (const { title, is_cut } of items) expect([is_cut, title]).toEqual([true, `x${'ñ🎭'.repeat(99)}ñ…`])
      expect(Buffer.byteLength(JSON.stringify(first))).toBeLessThan(1e6)
      const zones = event('x').replace(/<zone .*\/>/, (zone) => zone.repeat(50))
      await ingest(list(zones, ...Array.from({ length: 300 }, (_, i) => event(i))))
      const { changes } = await dryRun(list(zones.replaceAll('20.50', '1.00')))
      expect(changes.updated.items).toMatchObject([
        { is_cut: true, fields: [{}, {}, { field: 'zones', old: { length: 20 }, new: { length: 20 } }] }
      ])
      expect(changes.withheld).toMatchObject({ total: 300, has_more: true, items: { length: 200 } })
    })

    it('is done of a source that is paused, by whoever ingests, and of one that is not enabled', async () => {
      await start({ enabled: false })
      await service.post('/v1/api/sources/demo/pause')
      const api = await another('api')
      const headers = { authorization: `Bearer ${service.app.config.server.admin_token}` }
      const answer = await api.inject({ method: 'POST', url: ADDRESS, headers })
      expect(answer.statusCode).toBe(200)
      expect(answer.json()).toMatchObject({ outcome: 'complete', result: { changes: { created: { total: 3 } } } })
      expect((await service.post('/v1/api/sources/demo/runs?dry_run=false')).status).toBe(409)
      expect(await runs()).toEqual([])
    })

    it('is begun again where a process stops or dies of it, and is given up in the end; nothing is left of it', async () => {
      await start()
      const { storage } = service.app
      await ingest(three)
      const before = await dumpStore(service.app)
      const { id } = await storage.addCommand('demo', 'dry_run')
      provider.serve(
        (_request, response) => void response.writeHead(200).write(list(event(1), event(4), event(5)).slice(0, -300))
      )
      while (provider.requests.length < 2) await sleep(20)
      const api = await another('api')
      await service.app.close()
      expect(await api.storage.command('demo', id)).toMatchObject({ finished_at: null, result: null })
      provider.serve(list(event(1), event(4)))
      const ingesting = await another('ingest')
      const result = JSON.parse((await finished(api, id)).result!) as DryRunResult
      expect(result).toMatchObject({ outcome: 'complete', counts: { created: 1, unchanged: 1, delisted: 2 } })
      // It is not taken for a run that somebody left unfinished.
      await sleep(1200)
      await ingesting.close()
      expect(await runs(api)).toHaveLength(1)

      const doomed = await api.storage.addCommand('demo', 'dry_run')
      for (let time = 0; time < 5; time++) await api.storage.beginCommand(doomed.id)
      await api.storage.takeLease('source:demo', 'a process that dies', 300)
      const last = await another('ingest')
      const given = await finished(api, doomed.id)
      expect(given).toMatchObject({ outcome: 'aborted', detail: 'it was begun 5 times and never came to its end' })
      await sleep(1200)
      expect(await dumpStore(last)).toEqual(before)
      expect(provider.requests).toHaveLength(3)
    })

    it('is asked for plainly', async () => {
      await start()
      for (const value of ['maybe', '', '1', 'TRUE', 'true&dry_run=true']) {
        const { status, body } = await service.post(`/v1/api/sources/demo/runs?dry_run=${value}`)
        expect([status, body.parameter], value).toEqual([400, 'dry_run'])
      }
      expect(await service.post(`${ADDRESS}&now=1`)).toMatchObject({ status: 400 })
      expect(await service.post(ADDRESS, 'wrong')).toMatchObject({ status: 401 })
      expect(await service.post('/v1/api/sources/nobody/runs?dry_run=true')).toMatchObject({ status: 404 })
      expect((await service.get('/v1/api/sources/demo/commands/00000000-0000-7000-8000-000000000000')).status).toBe(404)
      expect((await service.get('/v1/api/sources/demo/commands/x')).status).toBe(400)
      expect((await service.get('/v1/api/sources/demo/commands')).body.data).toEqual([])
    })
  })
}

it('a dry run that takes long is answered at its address; who asks meanwhile gets the same', async () => {
  const provider = await startProvider()
  let answer = () => {}
  provider.serve((_request, response) => {
    answer = () => response.writeHead(200).end(three)
  })
  const service = await createApp({ sources: { demo: { url: provider.url, ...KEYS } } })
  const [first, second] = await Promise.all([service.post(ADDRESS), service.post(ADDRESS)])
  expect([first.status, second.status]).toEqual([202, 202])
  expect(first.body).toMatchObject({ kind: 'dry_run', finished_at: null, outcome: null, result: null })
  expect(second.body.id).toBe(first.body.id)
  const location = String(first.headers.location)
  expect(location).toBe(`/v1/api/sources/demo/commands/${first.body.id}`)
  expect((await service.get(location)).body).toEqual(first.body)
  answer()
  let now = first.body
  while (now.finished_at === null) {
    await sleep(20)
    now = (await service.get(location)).body
  }
  expect(now).toMatchObject({ outcome: 'complete', result: { counts: { created: 3 } } })
  expect(provider.requests).toHaveLength(1)
  await service.close()
  await provider.close()
})
