import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventRecord, SourceAdapter } from '../../../adapters/kit/contract.ts'
import { createApp, type TestApp } from '../../helper.ts'
import { event, list } from '../../make-feed.ts'
import { type Provider, startProvider } from '../../provider.ts'
import { DRIVERS, whyNot } from '../../storage/fixtures.ts'

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`after a fix, on ${driver}`, () => {
    let provider: Provider
    let service: TestApp
    let sound: SourceAdapter
    async function start(keys: Record<string, string | number | boolean> = {}) {
      service = await createApp({ driver, sources: { demo: { url: provider.url, ...keys } } })
      sound = service.app.adapters.get('provider-xml')!
    }
    beforeEach(async () => {
      provider = await startProvider()
    })
    afterEach(async () => {
      await service.close()
      await provider.close()
    })
    function change(alter: (record: EventRecord) => void) {
      const changed: SourceAdapter = {
        ...sound,
        async *read(context) {
          for await (const items of sound.read(context)) {
            for (const { record } of [items].flat()) if (record !== undefined) alter(record)
            yield items
          }
        }
      }
      service.app.adapters.set('provider-xml', changed)
    }
    /** A parser that gets titles wrong: empty where they say "lost", else in capitals. */
    const breakParser = () =>
      change((record) => {
        const { title = '' } = record
        record.title = title.includes('lost') ? '' : title.toUpperCase()
      })
    const mendParser = () => service.app.adapters.set('provider-xml', sound)
    async function ingest(document: string) {
      provider.serve(document)
      return service.ingest('demo')
    }
    const source = () => service.app.sources.list[0]!
    const reparse = () => service.app.operate(source(), (context) => service.app.ingest.reparse(source(), context))
    const summary = async () =>
      Object.fromEntries((await service.events()).map((one) => [one.event_id, `${one.title}, ${one.status}`]))

    describe('kept snapshots', () => {
      it('are read again without the network, so that all events are right, and listed as they were', async () => {
        await start()
        breakParser()
        await ingest(list(event(1), event(2)))
        await ingest(list(event(1), event(3)))
        const delisted_at = (await service.events()).find((one) => one.event_id === '2')!.delisted_at
        expect(await summary()).toEqual({ 1: 'EVENT 1, listed', 2: 'EVENT 2, delisted', 3: 'EVENT 3, listed' })
        mendParser()
        const asked = provider.requests.length
        const runs = await reparse()
        expect(runs.map(({ kind, outcome }) => [kind, outcome])).toEqual([
          ['reparse', 'complete'],
          ['reparse', 'complete']
        ])
        expect(provider.requests).toHaveLength(asked)
        expect(await summary()).toEqual({ 1: 'Event 1, listed', 2: 'Event 2, delisted', 3: 'Event 3, listed' })
        expect((await service.events()).find((one) => one.event_id === '2')).toMatchObject({ delisted_at })
      })

      it('bring back what the former parser lost: delisted, where it is no longer in the feed', async () => {
        await start()
        breakParser()
        await ingest(list(event(1).replace('Event', 'lost'), event(2)))
        await ingest(list(event(2), event(3).replace('Event', 'lost')))
        expect(await summary()).toEqual({ 2: 'EVENT 2, listed' })
        mendParser()
        await reparse()
        expect(await summary()).toEqual({ 1: 'lost 1, delisted', 2: 'Event 2, listed', 3: 'lost 3, listed' })
        await reparse()
        expect(await summary()).toEqual({ 1: 'lost 1, delisted', 2: 'Event 2, listed', 3: 'lost 3, listed' })
      })

      it('are the last ones, once each, and whole', async () => {
        await start({ keep_snapshots: 2 })
        for (const id of [1, 2, 2, 3]) await ingest(list(event(id)))
        await ingest(list(event(4)).slice(0, -5))
        const { storage } = service.app
        expect(await storage.snapshots('demo')).toHaveLength(2)
        await reparse()
        const runs = (await storage.runs('demo', { limit: 2 })).items
        expect(runs.map(({ counts }) => counts.seen)).toEqual([1, 1])
        expect(await summary()).toEqual({
          1: 'Event 1, delisted',
          2: 'Event 2, delisted',
          3: 'Event 3, listed',
          4: 'Event 4, listed'
        })
      })

      it('are left when the signal aborts', async () => {
        await start()
        for (const id of [1, 2, 3]) await ingest(list(event(id)))
        const { app } = service
        const signal = AbortSignal.abort(new DOMException('the service stops', 'AbortError'))
        const runs = await app.operate(source(), (context) => app.ingest.reparse(source(), { ...context, signal }))
        expect(runs).toEqual([])
        expect((await app.storage.runs('demo', { limit: 10 })).items).toHaveLength(3)
      })

      it('take no more space than they may', async () => {
        await start({ keep_mb: 1 })
        // Hexadecimal noise halves at best.
        const noise = Array.from({ length: 40_000 }, (_, i) =>
          Array.from({ length: 8 }, (_, j) => Math.imul(i * 8 + j + 1, 2654435761).toString(16)).join('')
        )
        provider.serve(`${list(event(1)).replace('</output>', `</output><!-- ${noise.join(' --><!-- ')} -->`)}`)
        expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete' })
        expect(await service.app.storage.snapshots('demo')).toEqual([])
      })

      it('that are older than what is stored say nothing of what is listed', async () => {
        await start({ keep_snapshots: 1 })
        await ingest(list(event(1), event(2)))
        Object.assign(source(), { keep_snapshots: 0 })
        await ingest(list(event(2).replace('Event 2', 'Newer'), event(3)))
        await reparse()
        expect(await summary()).toEqual({ 1: 'Event 1, delisted', 2: 'Newer, listed', 3: 'Event 3, listed' })
      })

      it('of a suspicious run are not agreed with by being read again', async () => {
        await start()
        await ingest(list(...Array.from({ length: 20 }, (_, i) => event(i))))
        expect(await ingest(list(event(1), event(30)))).toMatchObject({ outcome: 'suspicious' })
        await reparse()
        const listed = (await service.events()).filter((one) => one.status === 'listed')
        expect(listed).toHaveLength(21)
        expect((await service.get('/v1/api/sources/demo')).body.suspicion).not.toBeNull()
      })

      it('go over nothing that came after them', async () => {
        await start()
        await ingest(list(event(1), event(2)))
        await ingest(list(event(1).replace('Event 1', 'newer')).slice(0, -12))
        await reparse()
        expect(await summary()).toEqual({ 1: 'newer, listed', 2: 'Event 2, listed' })
      })

      it('are read again by the next fetch when reading them is broken off', async () => {
        await start()
        const honest = (etag: string, document: string) =>
          provider.play(({ headers }) =>
            headers['if-none-match'] === etag
              ? { status: 304, headers: { etag } }
              : { headers: { etag }, body: document }
          )
        breakParser()
        honest('"a"', list(event(1)))
        await service.ingest('demo')
        honest('"b"', list(event(1).replace('Event', 'Newer')))
        await service.ingest('demo')
        mendParser()
        const { storage } = service.app
        const { closeRun } = storage
        storage.closeRun = () => Promise.reject(new Error('killed'))
        await expect(reparse()).rejects.toThrow('killed')
        storage.closeRun = closeRun
        await service.ingest('demo')
        expect(provider.requests.at(-1)!.headers['if-none-match']).toBeUndefined()
      })

      it('that have other identities now are not believed at once', async () => {
        await start()
        await ingest(list(...Array.from({ length: 20 }, (_, i) => event(i))))
        change((record) => {
          record.event_id = `new-${record.event_id}`
        })
        expect((await reparse())[0]).toMatchObject({
          outcome: 'suspicious',
          reason: 'vanished',
          counts: { created: 20 }
        })
        expect((await service.get('/v1/api/sources/demo')).body.suspicion).toMatchObject({ missing: 20 })
      })

      it('go over nothing that came after them, also when it was delisted since', async () => {
        await start()
        await ingest(list(event(1), event(2)))
        await ingest(list(event(1).replace('Event 1', 'newer'), event(2)).slice(0, -12))
        await ingest(list(event(2)))
        await reparse()
        expect(await summary()).toEqual({ 1: 'newer, delisted', 2: 'Event 2, listed' })
      })

      it('repair what was read wrong again, however often they are read', async () => {
        await start()
        await ingest(list(event(1), event(2)))
        await ingest(list(event(2), event(3)))
        breakParser()
        await reparse()
        expect(await summary()).toMatchObject({ 1: 'EVENT 1, delisted', 3: 'EVENT 3, listed' })
        mendParser()
        await reparse()
        expect(await summary()).toEqual({ 1: 'Event 1, delisted', 2: 'Event 2, listed', 3: 'Event 3, listed' })
      })

      it('can be read from the beginning again after that was broken off', async () => {
        await start()
        for (const title of ['old', 'new']) await ingest(list(event(1).replace('Event 1', title), event(2)))
        await ingest(list(event(2)))
        const stop = new AbortController()
        const { closeRun } = service.app.storage
        service.app.storage.closeRun = async (run, end) => {
          stop.abort()
          return closeRun(run, end)
        }
        const broken = await service.app.operate(source(), (context) =>
          service.app.ingest.reparse(source(), { ...context, signal: stop.signal })
        )
        expect(broken).toHaveLength(1)
        service.app.storage.closeRun = closeRun
        await reparse()
        expect(await summary()).toEqual({ 1: 'new, delisted', 2: 'Event 2, listed' })
      })

      it('go when there are to be none any more', async () => {
        await start()
        await ingest(list(event(1)))
        source().keep_snapshots = 0
        await ingest(list(event(2)))
        expect(await service.app.storage.snapshots('demo')).toEqual([])
      })

      it('are read in the encoding that they came in', async () => {
        await start()
        const latin = Buffer.from(list(event(1)).replace('Event', 'Año'), 'latin1')
        provider.serve({ body: latin, headers: { 'content-type': 'application/xml; charset=iso-8859-1' } })
        await service.ingest('demo')
        const utf16 = Buffer.concat([
          Buffer.from([0xff, 0xfe]),
          Buffer.from(list(event(2)).replace('Event', 'Ağ'), 'utf16le')
        ])
        provider.serve({ body: utf16, gzip: true })
        await service.ingest('demo')
        expect((await reparse()).map(({ outcome, counts }) => [outcome, counts.unchanged])).toEqual([
          ['complete', 1],
          ['complete', 1]
        ])
        expect(await summary()).toEqual({ 1: 'Año 1, delisted', 2: 'Ağ 2, listed' })
      })
    })

    describe('rejects', () => {
      const redrive = () => service.post('/v1/api/sources/demo/rejects/redrive')
      const rejects = async () => (await service.get('/v1/api/sources/demo/rejects')).body.data

      it('that pass become events and leave the list; the others stay', async () => {
        await start()
        breakParser()
        await ingest(list(event(1), event(2).replace('Event', 'lost'), event(3, { sold_out: 'perhaps' })))
        expect(await rejects()).toHaveLength(2)
        expect((await redrive()).body).toMatchObject({ counts: { seen: 2, rejected: 2, created: 0 } })
        expect(await rejects()).toHaveLength(2)
        mendParser()
        expect(await redrive()).toMatchObject({
          status: 200,
          body: { kind: 'redrive', outcome: 'complete', counts: { seen: 2, created: 1, rejected: 1 } }
        })
        expect(await summary()).toEqual({ 1: 'EVENT 1, listed', 2: 'lost 2, listed' })
        expect((await rejects()).map((one) => one.reason)).toEqual(['sold_out "perhaps" is not true or false'])
        // Whatever the validators say: what is listed is for the next whole snapshot to say.
        await ingest(list(event(1).replace('Event', 'Newer')))
        expect(await summary()).toEqual({ 1: 'Newer 1, listed', 2: 'lost 2, delisted' })
      })

      it('of plans, with what stands around them, are read as what they were', async () => {
        await start()
        breakParser()
        const plan = `<planList><output><base_plan base_plan_id="7" sell_mode="online" title="lost &amp; found"><plan
          plan_start_date="2030-05-01T20:00:00" plan_end_date="2030-05-01T21:00:00" plan_id="9" sell_from="2029-01-01T00:00:00"
          sell_to="2030-05-01T19:00:00" sold_out="false"/></base_plan></output></planList>`
        expect(await ingest(plan)).toMatchObject({ counts: { rejected: 1 } })
        mendParser()
        await redrive()
        expect(await service.events()).toMatchObject([
          { base_event_id: '7', event_id: '9', title: 'lost & found', status: 'listed' }
        ])
      })

      it('of one event: the one that was seen last counts', async () => {
        await start()
        breakParser()
        for (const title of ['lost', 'lost again', 'lost at last']) {
          expect(await ingest(list(event(1).replace('Event 1', title), event(2)).slice(0, -5))).toMatchObject({
            outcome: 'partial',
            counts: { rejected: 1 }
          })
        }
        mendParser()
        expect((await redrive()).body).toMatchObject({ counts: { seen: 3, created: 1, updated: 0, rejected: 0 } })
        expect(await rejects()).toEqual([])
        expect(await summary()).toMatchObject({ 1: 'lost at last, listed' })
      })

      it('of an event that a later run brought, even one that broke off, do not undo it', async () => {
        await start()
        breakParser()
        await ingest(list(event(1).replace('Event 1', 'lost')))
        mendParser()
        await ingest(list(event(1).replace('Event 1', 'Newer')).slice(0, -12))
        await redrive()
        expect(await summary()).toEqual({ 1: 'Newer, listed' })
      })

      it('that stand before a good record of the same event do not undo it', async () => {
        await start()
        breakParser()
        await ingest(list(event(1).replace('Event 1', 'lost'), event(1).replace('Event 1', 'last')))
        mendParser()
        await redrive()
        expect(await summary()).toEqual({ 1: 'LAST, listed' })
      })

      it('are not seen again by a reparse: what is gone stays gone', async () => {
        await start()
        breakParser()
        await ingest(list(event(1).replace('Event 1', 'lost'), event(2).replace('Event 2', 'lost too'), event(3)))
        await ingest(list(event(1).replace('Event 1', 'Newer'), event(3)))
        await reparse()
        expect((await rejects()).map((one) => one.count)).toEqual([1, 1])
        mendParser()
        await redrive()
        expect(await summary()).toEqual({ 1: 'NEWER, listed', 2: 'lost too, delisted', 3: 'EVENT 3, listed' })
      })

      it('that the adapter fails at leave the others alone', async () => {
        await start()
        change((record) => {
          record.sold_out = '?'
        })
        await ingest(list(event(1), event(2), event(3)))
        change((record) => {
          if (record.event_id === '2') throw new TypeError('a fault')
        })
        expect((await redrive()).body).toMatchObject({ outcome: 'complete', counts: { created: 2, rejected: 1 } })
        expect(await summary()).toEqual({ 1: 'Event 1, listed', 3: 'Event 3, listed' })
      })

      it('that are long come on shorter pages', async () => {
        await start()
        const long = `<!--${'x'.repeat(60_000)}-->`
        const many = Array.from({ length: 100 }, (_, i) =>
          event(i, { sold_out: '?' }).replace('</event>', `${long}</event>`)
        )
        await ingest(list(...many))
        let url: string | undefined = '/v1/api/sources/demo/rejects?limit=1000'
        const seen = new Set<unknown>()
        while (url !== undefined) {
          const { body, headers }: Awaited<ReturnType<TestApp['get']>> = await service.get(url)
          expect(JSON.stringify(body.data).length).toBeLessThan(4_000_000)
          for (const { id } of body.data) seen.add(id)
          url = /<(.*)>; rel="next"/.exec(String(headers.link))?.[1]
        }
        expect(seen.size).toBe(100)
      })

      it('of an event that a later snapshot brought do not undo it', async () => {
        await start()
        breakParser()
        await ingest(list(event(1).replace('Event 1', 'lost'), event(2).replace('Event 2', 'lost too')))
        mendParser()
        await ingest(list(event(1).replace('Event 1', 'Found')))
        expect(await rejects()).toHaveLength(2)
        await redrive()
        expect(await rejects()).toEqual([])
        expect(await summary()).toEqual({ 1: 'Found, listed', 2: 'lost too, delisted' })
      })
    })
  })
}
