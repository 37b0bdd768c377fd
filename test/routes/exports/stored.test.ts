import { parseAtomFeed } from 'feedsmith'
import { describe, expect, it } from 'vitest'
import { createApp } from '../../helper.ts'
import { DRIVERS, ingest, makeEvent, whyNot } from '../../storage/fixtures.ts'

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`exports from ${driver}`, () => {
    it('have what the list has, whole and in its order', async () => {
      const service = await createApp({ driver, server: { overload_ms: 0 } })
      try {
        const { app } = service
        const events = Array.from({ length: 700 }, (_, number) => makeEvent(number, { sold_out: number % 3 === 0 }))
        await ingest(app.storage, events)
        await ingest(app.storage, [...events.slice(0, -1), makeEvent(699, { title: 'Other', sold_out: true })])
        const query = 'sort=-title&sold_out=true'
        const lines = (await app.inject(`/v1/api/events.ndjson?${query}`)).body.trimEnd().split('\n')
        expect(lines.map((line) => JSON.parse(line))).toEqual(await service.events(query))
        expect(lines).toHaveLength(234)

        const newest = (await service.events('sort=-updated'))[0]!
        expect(newest.title).toBe('Other')
        const feed = parseAtomFeed((await app.inject('/v1/api/events.atom')).body)
        expect([feed.updated, feed.entries?.length]).toEqual([newest.updated_at, 700])
      } finally {
        await service.close()
      }
    })
  })
}
