import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Event } from '../storage/kit/event.ts'
import { createApp, feed, type TestApp } from './helper.ts'
import { type Provider, startProvider } from './provider.ts'
import { DRIVERS, whyNot } from './storage/fixtures.ts'

/** Three snapshots of one provider, one after another at one URL, and its two other dialects beside them. */
const SNAPSHOTS = ['v2-snapshot-1', 'v2-snapshot-2', 'v2-snapshot-3']

const zone = (zone_id: string, capacity: number, price: number, name: string, numbered: boolean) => ({
  zone_id,
  name,
  capacity,
  price,
  numbered
})
const ONLINE = { sell_mode: 'online', timezone: 'Europe/Madrid', sold_out: false, ever_online: true }

const concert = (end: string, capacities: [number, number, number]) => ({
  ...ONLINE,
  base_event_id: '291',
  event_id: '291',
  title: 'Camela en concierto',
  organizer_company_id: null,
  start_date: '2021-06-30T21:00:00',
  end_date: `2021-06-30T${end}`,
  starts_at: '2021-06-30T19:00:00Z',
  ends_at: `2021-06-30T${String(Number(end.slice(0, 2)) - 2).padStart(2, '0')}${end.slice(2)}Z`,
  sell_from: '2020-07-01T00:00:00',
  sell_to: '2021-06-30T20:00:00',
  min_price: 15,
  max_price: 30,
  zones: [
    zone('40', capacities[0], 20, 'Platea', true),
    zone('38', capacities[1], 15, 'Grada 2', false),
    zone('30', capacities[2], 30, 'A28', true)
  ],
  status: 'listed',
  delisted_at: null
})
const comedy = (end: string, capacities: [number, number]) => ({
  ...ONLINE,
  base_event_id: '1591',
  event_id: '1642',
  title: 'Los Morancos',
  organizer_company_id: '1',
  start_date: '2021-07-31T20:00:00',
  end_date: `2021-07-31T${end}`,
  starts_at: '2021-07-31T18:00:00Z',
  ends_at: `2021-07-31T19${end.slice(2)}Z`,
  sell_from: '2021-06-26T00:00:00',
  sell_to: '2021-07-31T19:50:00',
  min_price: 65,
  max_price: 75,
  zones: [zone('186', capacities[0], 75, 'Amfiteatre', true), zone('186', capacities[1], 65, 'Amfiteatre', false)],
  status: 'listed',
  delisted_at: null
})
const pantomime = {
  ...ONLINE,
  base_event_id: '322',
  event_id: '1642',
  title: 'Pantomima Full',
  organizer_company_id: '2',
  start_date: '2021-02-10T20:00:00',
  end_date: '2021-02-10T21:30:00',
  starts_at: '2021-02-10T19:00:00Z',
  ends_at: '2021-02-10T20:30:00Z',
  sell_from: '2021-01-01T00:00:00',
  sell_to: '2021-02-09T19:50:00',
  min_price: 55,
  max_price: 55,
  zones: [zone('311', 2, 55, 'A42', true)]
}

/** What was observed, with the times of this run taken out, to compare drivers with each other. */
const observed: Record<string, unknown> = {}

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`the provider's snapshots on ${driver}`, () => {
    let provider: Provider
    let service: TestApp
    const seen: unknown[] = []
    const events = async (query?: string): Promise<Event[]> => {
      const found = await service.events(query)
      seen.push(
        found.map(({ first_seen_at: _f, updated_at: _u, delisted_at, ...rest }) => [rest, delisted_at !== null])
      )
      return found
    }

    beforeAll(async () => {
      provider = await startProvider()
      const files = Object.fromEntries(
        ['v1', 'v3'].map((name) => [name, { url: new URL(`feeds/${name}-snapshot.xml`, import.meta.url).href }])
      )
      const timezone = 'Europe/Madrid'
      service = await createApp({
        driver,
        sources: { v2: { url: provider.url, timezone }, v1: { ...files.v1, timezone }, v3: { ...files.v3, timezone } }
      })
    })
    afterAll(async () => {
      observed[driver] = seen
      await service.close()
      await provider.close()
    })

    it('lists the first as it is', async () => {
      provider.serve(await feed(SNAPSHOTS[0]!))
      const run = await service.ingest('v2')
      expect(run).toMatchObject({ source: 'v2', outcome: 'complete', reason: null, detail: null })
      expect(run.counts).toMatchObject({ seen: 3, created: 3, updated: 0, unchanged: 0, delisted: 0, rejected: 0 })
      expect(run.counts.bytes).toBe(Buffer.byteLength(await feed(SNAPSHOTS[0]!)))
      expect(await events()).toMatchObject([
        { ...pantomime, status: 'listed', delisted_at: null },
        concert('22:00:00', [243, 100, 90]),
        comedy('21:00:00', [2, 16])
      ])
    })

    it('follows the second: one event gone, two changed, one impossible', async () => {
      provider.serve(await feed(SNAPSHOTS[1]!))
      const run = await service.ingest('v2')
      expect(run.outcome).toBe('complete')
      expect(run.counts).toMatchObject({ seen: 3, created: 0, updated: 2, unchanged: 0, delisted: 1, rejected: 1 })
      const [gone, ...others] = await events()
      expect(gone).toMatchObject({ ...pantomime, status: 'delisted' })
      expect(gone!.delisted_at).not.toBeNull()
      expect(others).toMatchObject([concert('22:00:00', [240, 50, 90]), comedy('21:20:00', [0, 14])])
    })

    it('follows the third', async () => {
      provider.serve(await feed(SNAPSHOTS[2]!))
      const run = await service.ingest('v2')
      expect(run.counts).toMatchObject({ seen: 3, created: 0, updated: 2, unchanged: 0, delisted: 0, rejected: 1 })
      expect(await events()).toMatchObject([
        { ...pantomime, status: 'delisted' },
        concert('21:30:00', [200, 0, 80]),
        comedy('21:00:00', [0, 12])
      ])
    })

    it('still answers for the event that vanished, by its dates and by its id', async () => {
      const [gone] = await events('start_date=2021-02-01T00:00:00&end_date=2021-02-28T23:59:59')
      expect(gone).toMatchObject({ ...pantomime, status: 'delisted' })
      expect((await service.get(`/v1/api/events/${gone!.id}`)).body).toEqual(gone)
    })

    it('keeps the impossible date 2021-09-31 among the rejects, once per content, with its raw text', async () => {
      const { body } = await service.get('/v1/api/sources/v2/rejects')
      expect(body.data).toHaveLength(2)
      const [latest, first] = body.data as Record<string, unknown>[]
      expect(latest).toMatchObject({
        reason: 'start_date "2021-09-31T20:00:00" is not a date of the calendar, YYYY-MM-DDTHH:MM:SS',
        path: '/eventList/output/base_event[3]/event[1]',
        count: 1
      })
      const raw = latest!.raw as string
      expect(
        raw.startsWith('<base_event base_event_id="444" sell_mode="offline" organizer_company_id="1" title="Tributo')
      ).toBe(true)
      const third = await feed(SNAPSHOTS[2]!)
      expect(raw).toContain(
        third.slice(third.indexOf('<event event_start_date="2021-09-31'), third.lastIndexOf('</event>') + 8)
      )
      expect(first!.raw).toContain('event_end_date="2021-09-31T21:00:00"')
      expect(await service.events('start_date=2021-09-01&end_date=2021-10-31')).toEqual([])
    })

    it('does nothing for a snapshot that it has already', async () => {
      const { revision } = (await service.get('/v1/api/events')).body.meta
      const run = await service.ingest('v2')
      expect(run).toMatchObject({
        outcome: 'unchanged',
        reason: null,
        counts: { seen: 3, unchanged: 2, rejected: 1, updated: 0 }
      })
      expect((await service.get('/v1/api/events')).body.meta.revision).toBe(revision)
      const { body } = await service.get('/v1/api/sources/v2/rejects')
      expect(body.data[0]).toMatchObject({ count: 2 })
    })

    it('restores what comes back', async () => {
      provider.serve(await feed(SNAPSHOTS[0]!))
      const run = await service.ingest('v2')
      expect(run.counts).toMatchObject({ created: 0, updated: 2, restored: 1, delisted: 0 })
      expect((await events('start_date=2021-02-10&end_date=2021-02-10'))[0]).toMatchObject({
        ...pantomime,
        status: 'listed',
        delisted_at: null
      })
    })

    it('reads the dialect with event_date and max_price, in which one id is under two base events', async () => {
      expect((await service.ingest('v1')).counts).toMatchObject({ seen: 3, created: 3 })
      const found = await events('source=v1&sell_mode=any')
      expect(found).toMatchObject([
        {
          base_event_id: '322',
          event_id: '1642',
          sell_mode: 'offline',
          ever_online: false,
          start_date: '2019-04-22T20:00:00',
          starts_at: '2019-04-22T18:00:00Z',
          end_date: null,
          ends_at: null,
          zones: [zone('311', 2, 55, 'A42', true)]
        },
        {
          base_event_id: '291',
          event_id: '291',
          title: 'Concert',
          min_price: 0,
          max_price: 20,
          zones: [
            zone('40', 243, 20, 'Platea', true),
            zone('38', 100, 0, 'test', false),
            zone('30', 90, 0, 'A28', true)
          ]
        },
        {
          base_event_id: '1591',
          event_id: '1642',
          zones: [zone('186', 2, 75, 'Amfiteatre', true), zone('186', 16, 75, 'Amfiteatre', false)]
        }
      ])
      expect((await events('source=v1')).map((event) => event.base_event_id)).toEqual(['291', '1591'])
    })

    it('reads the dialect of plans, with two of them under one base plan', async () => {
      expect((await service.ingest('v3')).counts).toMatchObject({ seen: 4, created: 4 })
      const found = await events('source=v3')
      expect(found.map((event) => [event.base_event_id, event.event_id, event.start_date])).toEqual([
        ['322', '1642', '2021-02-10T20:00:00'],
        ['322', '1643', '2021-02-11T20:00:00'],
        ['291', '291', '2021-06-30T21:00:00'],
        ['1591', '1642', '2021-07-31T20:00:00']
      ])
      expect(found[2]).toMatchObject(concert('22:00:00', [243, 100, 90]))
    })

    it('makes 1642 under three base events three events in each of the sources', async () => {
      const all = (await service.events()).filter((event) => event.event_id === '1642')
      expect(new Set(all.map((event) => event.id)).size).toBe(all.length)
      expect(all.map((event) => `${event.source}/${event.base_event_id}`).sort()).toEqual(
        ['v1/1591', 'v1/322', 'v2/1591', 'v2/322', 'v3/1591', 'v3/322'].sort()
      )
    })
  })
}

it('gives the same JSON on every storage', () => {
  const [first, ...others] = Object.values(observed)
  expect(first).toBeDefined()
  for (const other of others) expect(JSON.stringify(other)).toBe(JSON.stringify(first))
})
