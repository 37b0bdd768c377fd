import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp, type TestApp } from '../../helper.ts'
import { event, list } from '../../make-feed.ts'
import { type Provider, startProvider } from '../../provider.ts'
import { DRIVERS, whyNot } from '../../storage/fixtures.ts'

/** Feeds of numbered events; those of `past` are over. */
const feedOf = (future: number[], past: number[] = []) =>
  list(
    ...future.map((id) => event(id)),
    ...past.map((id) => event(id, { event_start_date: '2020-05-01T20:00:00', event_end_date: '2020-05-01T21:00:00' }))
  )
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`a snapshot that lacks too much, on ${driver}`, () => {
    let provider: Provider
    let service: TestApp
    async function start(keys: Record<string, string | number | boolean> = {}) {
      service = await createApp({ driver, sources: { demo: { url: provider.url, ...keys } } })
    }
    beforeEach(async () => {
      provider = await startProvider()
    })
    afterEach(async () => {
      await service.close()
      await provider.close()
    })
    async function ingest(document: string) {
      provider.serve(document)
      return service.ingest('demo')
    }
    const listed = async () => (await service.events()).filter((one) => one.status === 'listed').length
    const suspicion = async () => (await service.get('/v1/api/sources/demo')).body.suspicion

    it('is written but delists nothing, and says so', async () => {
      await start()
      await ingest(feedOf(range(0, 20)))
      const run = await ingest(feedOf([...range(0, 8), 30]).replace('Event 3', 'Another title'))
      expect(run).toMatchObject({
        outcome: 'suspicious',
        reason: 'vanished',
        detail: 'the snapshot lacks 12 of 21 events to come; nothing was delisted',
        counts: { created: 1, updated: 1, delisted: 0 }
      })
      expect(await listed()).toBe(21)
      expect(await suspicion()).toEqual({ run_id: run.id, missing: 12, future_missing: 12, future_listed: 21 })
      expect((await service.get('/v1/api/sources/demo')).body.circuit).toMatchObject({ state: 'closed' })
    })

    it('is believed when the next one agrees, even if that lacks a little more', async () => {
      await start()
      await ingest(feedOf(range(0, 20)))
      await ingest(feedOf(range(0, 8)))
      expect(await ingest(feedOf(range(0, 7)))).toMatchObject({ outcome: 'complete', counts: { delisted: 13 } })
      expect(await listed()).toBe(7)
      expect(await suspicion()).toBeNull()
    })

    it('is not believed when the next one lacks others', async () => {
      await start()
      await ingest(feedOf(range(0, 20)))
      await ingest(feedOf(range(0, 8)))
      expect(await ingest(feedOf(range(12, 20)))).toMatchObject({ outcome: 'suspicious', counts: { delisted: 0 } })
      expect(await listed()).toBe(20)
      expect(await ingest(feedOf(range(12, 20)))).toMatchObject({ outcome: 'complete', counts: { delisted: 12 } })
    })

    it('is forgotten when the next one has everything again', async () => {
      await start()
      await ingest(feedOf(range(0, 20)))
      await ingest(feedOf(range(0, 8)))
      expect(await ingest(feedOf(range(0, 20)))).toMatchObject({ reason: null, counts: { delisted: 0 } })
      expect(await suspicion()).toBeNull()
      expect(await ingest(feedOf(range(0, 8)))).toMatchObject({ outcome: 'suspicious' })
    })

    it('is read again by the next run, whatever validators came with it', async () => {
      await start()
      const serve = (document: string, etag: string) =>
        provider.serve((request, response) => {
          if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end()
          else response.writeHead(200, { etag }).end(document)
        })
      serve(feedOf(range(0, 20)), '"full"')
      await service.ingest('demo')
      serve(feedOf(range(0, 8)), '"half"')
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'suspicious' })
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { delisted: 12 } })
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'unchanged' })
    })

    it('is not taken for agreed with when a run between them broke off', async () => {
      await start()
      await ingest(feedOf(range(0, 20)))
      await ingest(feedOf(range(0, 8)))
      expect(await ingest(feedOf(range(0, 8)).slice(0, -5))).toMatchObject({ outcome: 'partial' })
      expect(await listed()).toBe(20)
      expect(await suspicion()).not.toBeNull()
    })

    it('may lack five, or a fifth, or whatever is over', async () => {
      await start()
      await ingest(feedOf(range(0, 10)))
      expect(await ingest(feedOf(range(0, 5)))).toMatchObject({ outcome: 'complete', counts: { delisted: 5 } })
      await ingest(feedOf(range(0, 50), range(100, 140)))
      expect(await ingest(feedOf(range(0, 40)))).toMatchObject({ outcome: 'complete', counts: { delisted: 50 } })
      expect(await ingest(feedOf(range(0, 31)))).toMatchObject({ outcome: 'suspicious' })
    })

    it('is judged by the thresholds of its source', async () => {
      await start({ vanish_percent: 50, vanish_count: 2 })
      await ingest(feedOf(range(0, 20)))
      expect(await ingest(feedOf(range(0, 10)))).toMatchObject({ outcome: 'complete' })
      expect(await ingest(feedOf(range(0, 4)))).toMatchObject({ outcome: 'suspicious' })
    })

    it('is believed at once where the guard is off', async () => {
      await start({ vanish_guard: false })
      await ingest(feedOf(range(0, 20)))
      expect(await ingest(feedOf([]))).toMatchObject({ outcome: 'complete', counts: { delisted: 20 } })
    })

    /** Answers 304 to whoever has this document. */
    function honest(document: string) {
      const etag = `"${document.length}"`
      provider.play(({ headers }) =>
        headers['if-none-match'] === etag ? { status: 304, headers: { etag } } : { headers: { etag }, body: document }
      )
    }

    it('that was confirmed can be followed by the former one, which is then read', async () => {
      await start()
      honest(feedOf(range(0, 20)))
      await service.ingest('demo')
      honest(feedOf(range(0, 8)))
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'suspicious' })
      await service.post('/v1/api/sources/demo/confirm')
      honest(feedOf(range(0, 20)))
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { restored: 12 } })
      expect(await listed()).toBe(20)
    })

    it('has nothing to do with events that were seen since, even by a run that broke off', async () => {
      await start()
      await ingest(feedOf(range(0, 30)))
      await ingest(feedOf(range(0, 8)))
      const half = feedOf(range(0, 20))
      expect(await ingest(half.slice(0, -12))).toMatchObject({ outcome: 'partial', counts: { seen: 20 } })
      expect(await suspicion()).toMatchObject({ missing: 10, future_missing: 10 })
      expect(await ingest(feedOf(range(0, 8)))).toMatchObject({ outcome: 'suspicious', counts: { delisted: 0 } })
      await ingest(half.slice(0, -12))
      expect((await service.post('/v1/api/sources/demo/confirm')).body).toMatchObject({ counts: { delisted: 10 } })
      expect(await listed()).toBe(20)
      await ingest(feedOf(range(0, 8)))
      await ingest(half.slice(0, -12))
      expect(await suspicion()).toBeNull()
    })

    it('is believed when an operator confirms, once', async () => {
      await start()
      await ingest(feedOf(range(0, 20)))
      const run = await ingest(feedOf(range(0, 8)))
      const before = (await service.get('/v1/api/events')).body.meta.revision
      const confirmed = await service.post('/v1/api/sources/demo/confirm')
      expect(confirmed).toMatchObject({
        status: 200,
        body: { kind: 'confirm', outcome: 'complete', counts: { delisted: 12, seen: 0 } }
      })
      expect(await listed()).toBe(8)
      expect(await suspicion()).toBeNull()
      expect((await service.get('/v1/api/events')).body.meta.revision).toBe(before + 12)
      expect(await service.post('/v1/api/sources/demo/confirm')).toMatchObject({
        status: 409,
        body: { code: 'nothing_to_confirm' }
      })
      const { data } = (await service.get('/v1/api/sources/demo/runs')).body
      expect(data.map((one) => [one.kind, one.outcome])).toEqual([
        ['confirm', 'complete'],
        ['fetch', 'suspicious'],
        ['fetch', 'complete']
      ])
      expect(data[1]!.id).toBe(run.id)
      expect(await service.ingest('demo')).toMatchObject({ reason: null, counts: { unchanged: 8, delisted: 0 } })
    })
  })
}
