import { beforeEach, describe, expect, it } from 'vitest'
import { StorageUnavailable } from '../../../storage/kit/errors.ts'
import { createApp, type TestApp } from '../../helper.ts'
import { event, list } from '../../make-feed.ts'
import { type Provider, startProvider } from '../../provider.ts'
import { DRIVERS, whyNot } from '../../storage/fixtures.ts'

const feedOf = (count: number, word = 'Event') =>
  list(...Array.from({ length: count }, (_, id) => event(id).replace('Event', word)))

/** What a 304 would make permanent. */
for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`validators, on ${driver}, are forgotten`, () => {
    let provider: Provider
    let service: TestApp
    beforeEach(async () => {
      provider = await startProvider()
      service = await createApp({ driver, sources: { demo: { url: provider.url, vanish_guard: false } } })
      return async () => {
        await service.close()
        await provider.close()
      }
    })
    /** Answers 304 to whoever has this document. */
    function honest(etag: string, document: string) {
      provider.play(({ headers }) =>
        headers['if-none-match'] === etag ? { status: 304, headers: { etag } } : { headers: { etag }, body: document }
      )
    }
    const count = async (is: (one: { title: string; status: string }) => boolean) =>
      (await service.events()).filter(is).length

    it('when delisting fails half-way', async () => {
      honest('"a"', feedOf(600))
      await service.ingest('demo')
      const { storage } = service.app
      const { delist } = storage
      storage.delist = async (run, numbers) => {
        await delist(run, numbers.slice(0, 300))
        throw new StorageUnavailable('gone')
      }
      honest('"b"', feedOf(100))
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'partial', reason: 'storage' })
      storage.delist = delist
      honest('"a"', feedOf(600))
      await service.ingest('demo')
      expect(await count(({ status }) => status === 'listed')).toBe(600)
    })

    it('when a batch is written in part', async () => {
      honest('"a"', feedOf(20))
      await service.ingest('demo')
      const { storage } = service.app
      const { write } = storage
      storage.write = async (run, events, options) => {
        await write(run, events.slice(0, 10), options)
        throw new StorageUnavailable('gone')
      }
      honest('"b"', feedOf(20, 'Changed'))
      expect(await service.ingest('demo')).toMatchObject({ reason: 'storage' })
      storage.write = write
      honest('"a"', feedOf(20))
      await service.ingest('demo')
      expect(await count(({ title }) => title.startsWith('Changed'))).toBe(0)
    })

    it('by the very run that finds out that the one before it died', async () => {
      honest('"a"', feedOf(2))
      await service.ingest('demo')
      const { storage } = service.app
      const lease = (await storage.takeLease('source:demo', 'a process that dies', 60_000))!
      const run = await storage.openRun('demo', lease)
      const [one] = await service.events()
      const { status, first_seen_at, updated_at, delisted_at, ever_online, ...content } = one!
      await storage.write(run, [{ ...content, title: 'of another snapshot' }])
      // Its lease, too: as if it had expired.
      await storage.releaseLease(lease)
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { updated: 1 } })
      expect(provider.requests.at(-1)!.headers['if-none-match']).toBeUndefined()
      expect(await count(({ title }) => title === 'of another snapshot')).toBe(0)
    })
  })
}
