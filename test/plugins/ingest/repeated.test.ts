import { beforeEach, describe, expect, it } from 'vitest'
import { createApp, type TestApp } from '../../helper.ts'
import { event, list } from '../../make-feed.ts'
import { type Provider, startProvider } from '../../provider.ts'
import { DRIVERS, whyNot } from '../../storage/fixtures.ts'

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`an event that stands twice in a snapshot, on ${driver}`, () => {
    let provider: Provider
    let service: TestApp
    beforeEach(async () => {
      provider = await startProvider()
      // So many events at once that a server that others keep busy, too, could take longer for them than a lease.
      service = await createApp({ driver, sources: { demo: { url: provider.url } }, isApart: true })
      return async () => {
        await service.close()
        await provider.close()
      }
    })
    const title = async () => (await service.events()).find((one) => one.event_id === '1')!.title

    it('is as the last one says, and counts', async () => {
      provider.serve(list(event(1), event(2), event(1).replace('Event 1', 'Last')))
      expect(await service.ingest('demo')).toMatchObject({
        outcome: 'complete',
        counts: { seen: 3, created: 2, duplicates: 1 }
      })
      expect(await title()).toBe('Last')
    })

    it('however far apart is changed once, not in every run', async () => {
      const many = Array.from({ length: 1200 }, (_, i) => event(i + 10))
      const document = list(event(1), ...many, event(1).replace('Event 1', 'Last'))
      provider.serve(document)
      expect(await service.ingest('demo')).toMatchObject({ counts: { seen: 1202, created: 1201, duplicates: 1 } })
      const { revision } = (await service.get('/v1/api/events')).body.meta
      for (const end of ['\n', '\n\n']) {
        provider.serve(document + end)
        expect(await service.ingest('demo')).toMatchObject({
          outcome: 'complete',
          counts: { seen: 1202, created: 0, updated: 0, unchanged: 1201, duplicates: 1, delisted: 0 }
        })
        expect(await title()).toBe('Last')
      }
      expect((await service.get('/v1/api/events')).body.meta.revision).toBe(revision)
    })

    it('is not as the first one says when a run broke off before the last', async () => {
      const many = Array.from({ length: 1200 }, (_, i) => event(i + 10))
      const document = list(event(1), ...many, event(1).replace('Event 1', 'Last'))
      provider.serve(document)
      await service.ingest('demo')
      provider.serve(document.slice(0, document.length >> 1))
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'partial' })
      expect(await title()).toBe('Last')
    })

    it('is held back by every run that breaks off, one after the other, and counts as there', async () => {
      const many = Array.from({ length: 700 }, (_, i) => event(i + 10))
      const write = (word: string) =>
        list(event(1), ...many, event(1).replace('Event 1', 'Last')).replaceAll('Event 7', `${word} 7`)
      provider.serve(write('Event'))
      await service.ingest('demo')
      for (const word of ['Changed', 'Again']) {
        const document = write(word)
        provider.serve(document.slice(0, document.length - 600))
        expect(await service.ingest('demo')).toMatchObject({ outcome: 'partial' })
        expect(await title()).toBe('Last')
      }
      const { storage } = service.app
      expect((await storage.sources())[0]!.state).toMatchObject({ repeated: expect.stringMatching(/./) })
    })

    it('is so for many of them', async () => {
      // The test server of MongoDB takes some hundreds a second.
      const count = driver === 'sqlite' ? 3000 : 600
      const first = Array.from({ length: count }, (_, i) => event(i))
      const document = list(...first, ...first.map((one) => one.replace('Event', 'Last')))
      provider.serve(document)
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { created: count } })
      for (const end of ['\n', '\n\n']) {
        provider.serve(document + end)
        expect(await service.ingest('demo')).toMatchObject({
          outcome: 'complete',
          counts: { updated: 0, unchanged: count, duplicates: count }
        })
      }
    })
  })
}
