import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FormatRegistry } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { EventPage, PageRequest, Storage } from '../../storage/kit/contract.ts'
import { LeaseLost } from '../../storage/kit/errors.ts'
import { type Event, EventSchema } from '../../storage/kit/event.ts'
import type { EventFilters } from '../../storage/kit/filters.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import { createStore, DRIVERS, endRun, ingest, makeEvent, startRun, type TestStore, whyNot } from './fixtures.ts'

FormatRegistry.Set('uuid', (text) => /^[0-9a-f-]{36}$/.test(text))
FormatRegistry.Set('date-time', (text) => !Number.isNaN(Date.parse(text)))

const ALL: EventFilters = { match: 'within' }
const parse = (page: EventPage) => JSON.parse(`[${page.json}]`) as Event[]
const find = async (storage: Storage, filters: EventFilters = ALL, page: PageRequest = { limit: 1000 }) =>
  parse(await storage.find(filters, page))
const numbers = (events: Event[]) => events.map((event) => Number(event.event_id.slice(1)))

async function walk(storage: Storage, filters: EventFilters, limit: number): Promise<Event[]> {
  const events: Event[] = []
  let after: PageRequest['after']
  do {
    const page: EventPage = await storage.find(filters, { limit, ...(after && { after }) })
    const items = parse(page)
    expect(items.length).toBeLessThanOrEqual(limit)
    if (page.next !== null) expect(items.length).toBe(limit)
    events.push(...items)
    after = page.next ?? undefined
  } while (after !== undefined)
  return events
}

/** What every driver does. A new one is found here by its file alone. */
for (const driver of DRIVERS.keys()) {
  const reason = whyNot(driver)
  if (reason !== undefined) console.warn(`\n  ${driver} IS NOT TESTED: ${reason}\n`)

  describe.skipIf(reason !== undefined)(`storage ${driver}`, () => {
    let store: TestStore
    let storage: Storage
    beforeEach(async () => {
      store = await createStore(driver)
      storage = store.storage
      return () => store.close()
    })

    describe('life', () => {
      it('is migrated once, however often and by how many it is asked for', async () => {
        await ingest(storage, [makeEvent(1)])
        const others = await Promise.all([store.open(), store.open(), store.open()])
        for (const other of others) await other.ping()
        expect(await find(storage)).toHaveLength(1)
      })

      it('keeps everything when it is closed and opened again', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        const before = await find(storage)
        await storage.close()
        expect(await find(await store.open())).toEqual(before)
      })
    })

    describe('events', () => {
      it('gives back what was written, with its life', async () => {
        const event = makeEvent(1, {
          organizer_company_id: '7',
          sell_from: '2024-01-01T00:00:00',
          end_date: null,
          ends_at: null
        })
        expect(await ingest(storage, [event])).toEqual({
          created: 1,
          updated: 0,
          unchanged: 0,
          restored: 0,
          delisted: 0
        })
        const [found] = await find(storage)
        expect(found).toMatchObject({ ...event, status: 'listed', delisted_at: null, ever_online: true })
        expect(found!.first_seen_at).toBe(found!.updated_at)
        expect([...Value.Errors(EventSchema, found)]).toEqual([])
        expect(Object.keys(found!)).toEqual(Object.keys(EventSchema.properties))
        expect(await storage.get(event.id)).toEqual(found)
      })

      it('knows nothing of an id that was never written', async () => {
        expect(await storage.get(randomUUID())).toBeNull()
      })

      it('touches only what changed', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2), makeEvent(3)])
        const before = await find(storage)
        await sleep(5)
        const counts = await ingest(storage, [makeEvent(1), makeEvent(2, { title: 'Other' }), makeEvent(3)])
        expect(counts).toEqual({ created: 0, updated: 1, unchanged: 2, restored: 0, delisted: 0 })
        const after = await find(storage)
        expect(after[0]).toEqual(before[0])
        expect(after[2]).toEqual(before[2])
        expect(after[1]).toEqual({ ...before[1], title: 'Other', updated_at: after[1]!.updated_at })
        expect(after[1]!.updated_at > before[1]!.updated_at).toBe(true)
      })

      it('can be written again without a change', async () => {
        const run = await startRun(storage)
        const events = Array.from({ length: 50 }, (_, i) => makeEvent(i))
        expect(await storage.write(run, events)).toMatchObject({ created: 50 })
        const revision = await storage.revision()
        expect(await storage.write(run, events)).toEqual({ created: 0, updated: 0, unchanged: 50, restored: 0 })
        expect(await storage.revision()).toBe(revision)
        expect(await find(storage)).toHaveLength(50)
      })

      it('keeps the last of two with one id', async () => {
        await ingest(storage, [makeEvent(1, { title: 'First' }), makeEvent(2), makeEvent(1, { title: 'Last' })])
        expect((await find(storage)).map((event) => event.title)).toEqual(['Last', 'Event 2'])
      })

      it('remembers that an event was sold online', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2, { sell_mode: 'offline' })])
        await ingest(storage, [makeEvent(1, { sell_mode: 'offline' }), makeEvent(2, { sell_mode: 'offline' })])
        const events = await find(storage)
        expect(events.map((event) => [event.sell_mode, event.ever_online])).toEqual([
          ['offline', true],
          ['offline', false]
        ])
      })

      it('takes a batch of 1000 and an empty one', async () => {
        const run = await startRun(storage)
        expect(
          await storage.write(
            run,
            Array.from({ length: 1000 }, (_, i) => makeEvent(i))
          )
        ).toMatchObject({ created: 1000 })
        expect(await storage.write(run, [])).toEqual({ created: 0, updated: 0, unchanged: 0, restored: 0 })
      })
    })

    describe('delisting', () => {
      it('marks what a complete snapshot lacks, keeps it queryable, and restores it when it comes back', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        await sleep(5)
        expect(await ingest(storage, [makeEvent(1)])).toMatchObject({ unchanged: 1, delisted: 1 })
        const gone = (await find(storage))[1]!
        expect(gone).toMatchObject({ status: 'delisted', event_id: 'e2' })
        expect(gone.delisted_at).toBe(gone.updated_at)
        expect(gone.delisted_at! > gone.first_seen_at).toBe(true)
        await sleep(5)
        expect(await ingest(storage, [makeEvent(1), makeEvent(2)])).toEqual({
          created: 0,
          updated: 0,
          unchanged: 1,
          restored: 1,
          delisted: 0
        })
        const back = (await find(storage))[1]!
        expect(back).toEqual({ ...gone, status: 'listed', delisted_at: null, updated_at: back.updated_at })
        expect(back.updated_at > gone.updated_at).toBe(true)
      })

      it('delists once', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        await ingest(storage, [makeEvent(1)])
        const revision = await storage.revision()
        expect(await ingest(storage, [makeEvent(1)])).toMatchObject({ delisted: 0 })
        expect(await storage.revision()).toBe(revision)
      })

      it('leaves other sources alone', async () => {
        await ingest(storage, [makeEvent(1)])
        await ingest(storage, [makeEvent(2, { source: 'other' })], { source: 'other' })
        await ingest(storage, [])
        expect((await find(storage)).map((event) => [event.source, event.status])).toEqual([
          ['demo', 'delisted'],
          ['other', 'listed']
        ])
      })

      it('is done in pieces, however much is missing', async () => {
        const run = await startRun(storage)
        for (let i = 0; i < 1500; i += 500) {
          await storage.write(
            run,
            Array.from({ length: 500 }, (_, j) => makeEvent(i + j))
          )
        }
        await endRun(storage, run)
        expect(await ingest(storage, [makeEvent(0)])).toMatchObject({ delisted: 1499 })
        const statuses = (await walk(storage, ALL, 1000)).map((event) => event.status)
        expect(statuses.filter((status) => status === 'listed')).toHaveLength(1)
      })
    })

    describe('revision', () => {
      it('grows with every change and with nothing else', async () => {
        const seen = [await storage.revision()]
        const step = async (events: Parameters<typeof ingest>[1]) => {
          await ingest(storage, events)
          seen.push(await storage.revision())
        }
        await step([makeEvent(1), makeEvent(2)])
        await step([makeEvent(1), makeEvent(2)])
        await step([makeEvent(1), makeEvent(2, { title: 'x' })])
        await step([makeEvent(1)])
        await step([makeEvent(1), makeEvent(2, { title: 'x' })])
        const [a, b, c, d, e, f] = seen as [number, number, number, number, number, number]
        expect(b).toBeGreaterThan(a)
        expect(c).toBe(b)
        expect(d).toBeGreaterThan(c)
        expect(e).toBeGreaterThan(d)
        expect(f).toBeGreaterThan(e)
      })
    })

    describe('find', () => {
      it('orders by start, then id, and pages through all of it exactly once', async () => {
        // Many share a start, so that ids decide.
        const events = Array.from({ length: 97 }, (_, i) =>
          makeEvent(i, { start_date: `2024-05-0${(i % 3) + 1}T20:00:00` })
        )
        await ingest(storage, events)
        const all = await find(storage)
        const sorted = events.toSorted((a, b) => (a.starts_at + a.id < b.starts_at + b.id ? -1 : 1))
        expect(all.map((event) => event.id)).toEqual(sorted.map((event) => event.id))
        for (const limit of [1, 7, 96, 97, 98]) {
          expect((await walk(storage, ALL, limit)).map((event) => event.id)).toEqual(sorted.map((event) => event.id))
        }
      })

      it('gives an empty page of an empty store', async () => {
        const page = await storage.find(ALL, { limit: 10 })
        expect(parse(page)).toEqual([])
        expect(page.next).toBeNull()
      })

      it('pages in order through events that were and events that were never online', async () => {
        const events = Array.from({ length: 40 }, (_, i) =>
          makeEvent(i, { sell_mode: i % 3 === 0 ? 'online' : 'offline' })
        )
        await ingest(storage, events)
        const sorted = events.toSorted((a, b) => (a.starts_at + a.id < b.starts_at + b.id ? -1 : 1))
        expect((await walk(storage, ALL, 7)).map((event) => event.id)).toEqual(sorted.map((event) => event.id))
      })

      it('keeps its place while events are written, moved and delisted', async () => {
        await ingest(
          storage,
          Array.from({ length: 20 }, (_, i) => makeEvent(i))
        )
        const first = await storage.find(ALL, { limit: 10 })
        const before = makeEvent(100, { start_date: '2024-01-01T00:00:00' })
        await ingest(storage, [before, ...Array.from({ length: 15 }, (_, i) => makeEvent(i))])
        const rest = parse(await storage.find(ALL, { limit: 100, after: first.next! }))
        expect([...numbers(parse(first)), ...numbers(rest)]).toEqual(Array.from({ length: 20 }, (_, i) => i))
      })

      describe('between bounds', () => {
        // 0: days 1–3; 1: day 2, an hour; 2: days 2–5; 3: day 4 with no end; 4: the same as 1 in Tokyo.
        const day = (n: number, time = '20:00:00') => `2024-05-0${n}T${time}`
        const events = [
          makeEvent(0, { start_date: day(1), starts_at: `${day(1)}Z`, end_date: day(3), ends_at: `${day(3)}Z` }),
          makeEvent(1, {
            start_date: day(2),
            starts_at: `${day(2)}Z`,
            end_date: day(2, '21:00:00'),
            ends_at: `${day(2, '21:00:00')}Z`
          }),
          makeEvent(2, { start_date: day(2, '22:00:00'), end_date: day(5), ends_at: `${day(5)}Z` }),
          makeEvent(3, { start_date: day(4), end_date: null, ends_at: null }),
          makeEvent(4, {
            timezone: 'Asia/Tokyo',
            start_date: day(2),
            starts_at: `${day(2, '11:00:00')}Z`,
            end_date: day(2, '21:00:00'),
            ends_at: `${day(2, '12:00:00')}Z`
          })
        ]
        const local = (at: string) => ({ clock: 'local' as const, at })
        const utc = (at: string) => ({ clock: 'utc' as const, at: `${at}Z` })
        let shared: TestStore
        beforeAll(async () => {
          shared = await createStore(driver)
          await ingest(shared.storage, events)
          return () => shared.close()
        })

        const cases: [string, EventFilters, number[]][] = [
          ['within, both bounds', { match: 'within', from: local(day(2)), to: local(day(2, '23:59:59')) }, [4, 1]],
          [
            'within, bounds are inclusive',
            { match: 'within', from: local(day(2)), to: local(day(2, '21:00:00')) },
            [4, 1]
          ],
          [
            'within, a second less at the end',
            { match: 'within', from: local(day(2)), to: local(day(2, '20:59:59')) },
            []
          ],
          [
            'within, a second more at the start',
            { match: 'within', from: local(day(2, '20:00:01')), to: local(day(5)) },
            [2, 3]
          ],
          ['within, only a first bound', { match: 'within', from: local(day(2, '22:00:00')) }, [2, 3]],
          ['within, only a second bound', { match: 'within', to: local(day(3)) }, [0, 4, 1]],
          ['within, no end counts by its start', { match: 'within', from: local(day(4)), to: local(day(4)) }, [3]],
          ['within, instants', { match: 'within', from: utc(day(2, '11:00:00')), to: utc(day(2, '12:00:00')) }, [4]],
          [
            'within, an instant and a wall-clock time',
            { match: 'within', from: utc(day(2, '12:00:00')), to: local(day(2, '21:00:00')) },
            [1]
          ],
          ['starts, both bounds', { match: 'starts', from: local(day(2)), to: local(day(2, '22:00:00')) }, [4, 1, 2]],
          ['starts, instants', { match: 'starts', from: utc(day(2, '11:00:01')), to: utc(day(2, '22:00:00')) }, [1, 2]],
          ['overlaps, both bounds', { match: 'overlaps', from: local(day(3)), to: local(day(3)) }, [0, 2]],
          [
            'overlaps, a second later',
            { match: 'overlaps', from: local(day(3, '20:00:01')), to: local(day(4)) },
            [2, 3]
          ],
          ['overlaps, only a first bound', { match: 'overlaps', from: local(day(4, '20:00:01')) }, [2]],
          ['overlaps, only a second bound', { match: 'overlaps', to: local(day(2, '19:59:59')) }, [0]],
          [
            'overlaps, instants',
            { match: 'overlaps', from: utc(day(2, '11:30:00')), to: utc(day(2, '11:30:00')) },
            [0, 4]
          ]
        ]
        for (const [name, filters, expected] of cases) {
          it(`${name}, in one page and event by event`, async () => {
            expect(numbers(await find(shared.storage, filters))).toEqual(expected)
            expect(numbers(await walk(shared.storage, filters, 1))).toEqual(expected)
          })
        }
      })

      it('filters by how events are and were sold, and by source', async () => {
        await ingest(storage, [makeEvent(0), makeEvent(1), makeEvent(2, { sell_mode: 'offline' })])
        await ingest(storage, [
          makeEvent(0),
          makeEvent(1, { sell_mode: 'offline' }),
          makeEvent(2, { sell_mode: 'offline' })
        ])
        await ingest(storage, [makeEvent(3, { source: 'other' })], { source: 'other' })
        const ask = async (filters: Partial<EventFilters>) => numbers(await find(storage, { ...ALL, ...filters }))
        expect(await ask({})).toEqual([0, 1, 2, 3])
        expect(await ask({ everOnline: true })).toEqual([0, 1, 3])
        expect(await ask({ sellMode: 'online' })).toEqual([0, 3])
        expect(await ask({ sellMode: 'offline' })).toEqual([1, 2])
        expect(await ask({ source: 'other' })).toEqual([3])
        expect(await ask({ source: 'other', everOnline: true })).toEqual([3])
        expect(await ask({ source: 'nobody' })).toEqual([])
      })

      it('takes a bound at either end of the calendar', async () => {
        await ingest(storage, [makeEvent(0)])
        const bounds = (clock: 'local' | 'utc', z: string): EventFilters => ({
          match: 'within',
          from: { clock, at: `0001-01-01T00:00:00${z}` },
          to: { clock, at: `9999-12-31T23:59:59${z}` }
        })
        expect(await find(storage, bounds('local', ''))).toHaveLength(1)
        expect(await find(storage, bounds('utc', 'Z'))).toHaveLength(1)
      })

      it('streams the same events in the same order, and stops when told', async () => {
        const run = await startRun(storage)
        for (let i = 0; i < 1200; i += 400) {
          await storage.write(
            run,
            Array.from({ length: 400 }, (_, j) => makeEvent(i + j))
          )
        }
        const streamed: string[] = []
        for await (const event of storage.stream(ALL)) streamed.push(event.id)
        expect(streamed).toEqual((await walk(storage, ALL, 1000)).map((event) => event.id))
        const stop = new AbortController()
        let seen = 0
        const reading = async () => {
          for await (const _event of storage.stream(ALL, stop.signal)) if (++seen === 3) stop.abort()
        }
        await expect(reading()).rejects.toThrow()
        expect(seen).toBeLessThan(1200)
      })
    })

    describe('runs', () => {
      it('records a run from its start to its end', async () => {
        const run = await startRun(storage)
        const open = (await storage.runs('demo', { limit: 10 })).items
        expect(open).toEqual([
          {
            id: run.id,
            source: 'demo',
            started_at: run.started_at,
            finished_at: null,
            outcome: null,
            reason: null,
            detail: null,
            counts: NO_COUNTS
          }
        ])
        const counts = { ...NO_COUNTS, seen: 3, created: 2, rejected: 1, bytes: 99, duration: 5 }
        const closed = await storage.closeRun(run, {
          outcome: 'partial',
          reason: 'truncated',
          detail: 'cut off',
          counts
        })
        expect(closed).toMatchObject({ id: run.id, outcome: 'partial', reason: 'truncated', detail: 'cut off', counts })
        expect(closed.finished_at! >= closed.started_at).toBe(true)
        expect((await storage.runs('demo', { limit: 10 })).items).toEqual([closed])
      })

      it('lists them newest first, page by page, each source by itself', async () => {
        const ids: string[] = []
        for (let i = 0; i < 5; i++) {
          const run = await startRun(storage)
          ids.unshift(run.id)
          await endRun(storage, run)
        }
        await endRun(storage, await startRun(storage, 'other'))
        const first = await storage.runs('demo', { limit: 2 })
        const second = await storage.runs('demo', { limit: 2, after: first.next! })
        const third = await storage.runs('demo', { limit: 2, after: second.next! })
        expect([first, second, third].flatMap((page) => page.items.map((run) => run.id))).toEqual(ids)
        expect(third.next).toBeNull()
        expect((await storage.runs('nobody', { limit: 2 })).items).toEqual([])
      })

      it('closes what a predecessor left open', async () => {
        const run = await startRun(storage)
        await storage.releaseLease(run.lease)
        const next = await startRun(storage)
        const [newest, oldest] = (await storage.runs('demo', { limit: 10 })).items
        expect(newest).toMatchObject({ id: next.id, outcome: null })
        expect(oldest).toMatchObject({ id: run.id, outcome: 'aborted', reason: 'abandoned' })
        expect(oldest!.finished_at).not.toBeNull()
      })

      it("keeps a source's state and its last success", async () => {
        expect(await storage.sources()).toEqual([])
        const run = await startRun(storage)
        expect(await storage.sources()).toEqual([{ source: 'demo', state: null, last_success_at: null }])
        const end = { reason: null, detail: null, counts: NO_COUNTS }
        const first = await storage.closeRun(run, { ...end, outcome: 'complete', state: { etag: '"1"', digest: null } })
        await storage.releaseLease(run.lease)
        expect(await storage.sources()).toEqual([
          { source: 'demo', state: { etag: '"1"', digest: null }, last_success_at: first.finished_at }
        ])
        const failing = await startRun(storage)
        await storage.closeRun(failing, { ...end, outcome: 'failed', reason: 'dns' })
        await storage.releaseLease(failing.lease)
        expect(await storage.sources()).toMatchObject([{ state: { etag: '"1"' }, last_success_at: first.finished_at }])
        await sleep(2)
        const last = await startRun(storage)
        const unchanged = await storage.closeRun(last, { ...end, outcome: 'unchanged' })
        expect(await storage.sources()).toMatchObject([
          { state: { etag: '"1"' }, last_success_at: unchanged.finished_at }
        ])
      })
    })

    describe("a source's state", () => {
      const end = { reason: null, detail: null, counts: NO_COUNTS }
      const state = async () => (await storage.sources())[0]!.state
      const keep = async () => {
        const run = await startRun(storage)
        await storage.closeRun(run, { ...end, outcome: 'complete', state: { etag: '1' } })
        await storage.releaseLease(run.lease)
      }

      it('is forgotten by a run that says so, and kept by one that says nothing', async () => {
        await keep()
        const failed = await startRun(storage)
        await storage.closeRun(failed, { ...end, outcome: 'failed', reason: 'dns' })
        await storage.releaseLease(failed.lease)
        expect(await state()).toEqual({ etag: '1' })
        const partial = await startRun(storage)
        await storage.closeRun(partial, { ...end, outcome: 'partial', reason: 'truncated', state: null })
        expect(await state()).toBeNull()
      })

      it('is forgotten after a run that nobody closed', async () => {
        await keep()
        const abandoned = await startRun(storage)
        expect(await state()).toEqual({ etag: '1' })
        await storage.releaseLease(abandoned.lease)
        await startRun(storage)
        expect(await state()).toBeNull()
      })
    })

    describe('rejects', () => {
      const reject = (raw: string, event: string | null = null) => ({
        reason: 'start_date is missing',
        path: '/eventList/output/base_event[1]/event[1]',
        raw,
        event_id: event
      })

      it('keeps one once, however often it comes', async () => {
        const first = await startRun(storage)
        await storage.writeRejects(first, [reject('<a/>')])
        await storage.writeRejects(first, [reject('<a/>')])
        await endRun(storage, first)
        await sleep(2)
        const second = await startRun(storage)
        await storage.writeRejects(second, [
          { ...reject('<a/>'), path: '/eventList/output/base_event[9]/event[1]' },
          reject('<b/>')
        ])
        const { items } = await storage.rejects('demo', { limit: 10 })
        expect(items).toHaveLength(2)
        const again = items.find((item) => item.raw === '<a/>')!
        expect(again).toMatchObject({
          ...reject('<a/>'),
          path: '/eventList/output/base_event[9]/event[1]',
          source: 'demo',
          run_id: second.id,
          count: 2
        })
        expect(again.last_seen_at > again.first_seen_at).toBe(true)
        expect(items.find((item) => item.raw === '<b/>')).toMatchObject({ count: 1, run_id: second.id })
      })

      it('lists the last seen first, page by page', async () => {
        for (const i of [0, 1, 2, 3, 4]) {
          const run = await startRun(storage)
          await storage.writeRejects(run, [reject(`<r${i}/>`)])
          await endRun(storage, run)
          await sleep(2)
        }
        const first = await storage.rejects('demo', { limit: 3 })
        const second = await storage.rejects('demo', { limit: 3, after: first.next! })
        expect([...first.items, ...second.items].map((item) => item.raw)).toEqual([
          '<r4/>',
          '<r3/>',
          '<r2/>',
          '<r1/>',
          '<r0/>'
        ])
        expect(second.next).toBeNull()
        expect((await storage.rejects('other', { limit: 3 })).items).toEqual([])
      })

      it('keeps the event listed whose record it was', async () => {
        const [one, two] = [makeEvent(1), makeEvent(2)]
        await ingest(storage, [one, two])
        const run = await startRun(storage)
        await storage.writeRejects(run, [reject('<broken/>', one.id), reject('<unknown/>', randomUUID())])
        expect(await storage.delist(run)).toBe(1)
        expect((await find(storage)).map((event) => event.status)).toEqual(['listed', 'delisted'])
      })
    })

    it('does not take a reject of a delisted event for one of those that are listed', async () => {
      await ingest(storage, [makeEvent(1), makeEvent(2), makeEvent(3)])
      await ingest(storage, [makeEvent(1), makeEvent(2)])
      const run = await startRun(storage)
      await storage.write(run, [makeEvent(1)])
      await storage.writeRejects(run, [{ reason: 'r', path: '/', raw: 'x', event_id: makeEvent(3).id }])
      expect(await storage.delist(run)).toBe(1)
      expect((await find(storage)).map((event) => event.status)).toEqual(['listed', 'delisted', 'delisted'])
    })

    describe('pruning', () => {
      it('keeps the newest runs and rejects of each source, and all events', async () => {
        await ingest(storage, [makeEvent(1)])
        for (let i = 0; i < 5; i++) {
          const run = await startRun(storage)
          await storage.writeRejects(run, [{ reason: 'r', path: '/', raw: String(i), event_id: null }])
          await endRun(storage, run)
          await sleep(2)
        }
        await endRun(storage, await startRun(storage, 'other'))
        await storage.prune({ runs: 2, rejects: 3 })
        expect((await storage.runs('demo', { limit: 10 })).items).toHaveLength(2)
        expect((await storage.runs('other', { limit: 10 })).items).toHaveLength(1)
        expect((await storage.rejects('demo', { limit: 10 })).items.map((item) => item.raw)).toEqual(['4', '3', '2'])
        expect(await find(storage)).toHaveLength(1)
      })
    })

    describe('leases', () => {
      it('are held by one at a time, and raise their token with every take', async () => {
        const first = (await storage.takeLease('job', 'a', 60_000))!
        expect(await storage.takeLease('job', 'b', 60_000)).toBeNull()
        expect(await storage.takeLease('job', 'a', 60_000)).toBeNull()
        expect(await storage.takeLease('other', 'b', 60_000)).not.toBeNull()
        await storage.releaseLease(first)
        const second = (await storage.takeLease('job', 'b', 60_000))!
        expect(second.token).toBeGreaterThan(first.token)
        expect(second).toMatchObject({ name: 'job', holder: 'b' })
      })

      it('have one winner of many', async () => {
        const others = await Promise.all([store.open(), store.open()])
        const takers = Array.from({ length: 20 }, (_, i) =>
          [storage, ...others][i % 3]!.takeLease('job', `t${i}`, 60_000)
        )
        expect((await Promise.all(takers)).filter((lease) => lease !== null)).toHaveLength(1)
      })

      it('expire, and can be renewed only before', async () => {
        const lease = (await storage.takeLease('job', 'a', 400))!
        expect(await storage.renewLease(lease, 400)).toBe(true)
        await sleep(500)
        expect(await storage.renewLease(lease, 400)).toBe(false)
        const next = (await storage.takeLease('job', 'b', 60_000))!
        expect(next.token).toBeGreaterThan(lease.token)
        expect(await storage.renewLease(lease, 400)).toBe(false)
        await storage.releaseLease(lease)
        expect(await storage.takeLease('job', 'c', 60_000)).toBeNull()
        expect(await storage.renewLease(next, 60_000)).toBe(true)
      })
    })

    describe('fencing', () => {
      it('refuses everything from a run whose lease was taken over', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        const lease = (await storage.takeLease('source:demo', 'stopped', 100))!
        const stale = await storage.openRun('demo', lease)
        await sleep(150)
        const successor = await startRun(storage)
        await storage.write(successor, [makeEvent(1, { title: 'Newer' }), makeEvent(2)])
        const before = await find(storage)
        const revision = await storage.revision()

        const raw = { reason: 'r', path: '/', raw: 'stale', event_id: null }
        await expect(storage.write(stale, [makeEvent(1, { title: 'Stale' }), makeEvent(3)])).rejects.toThrow(LeaseLost)
        await expect(storage.writeRejects(stale, [raw])).rejects.toThrow(LeaseLost)
        await expect(storage.delist(stale)).rejects.toThrow(LeaseLost)
        const end = {
          outcome: 'complete' as const,
          reason: null,
          detail: null,
          counts: NO_COUNTS,
          state: { etag: 'stale' }
        }
        await expect(storage.closeRun(stale, end)).rejects.toThrow(LeaseLost)
        await expect(storage.openRun('demo', lease)).rejects.toThrow(LeaseLost)

        expect(await find(storage)).toEqual(before)
        expect(await storage.revision()).toBe(revision)
        expect((await storage.rejects('demo', { limit: 10 })).items).toEqual([])
        expect((await storage.sources())[0]!.state).toBeNull()
        await endRun(storage, successor)
      })

      it('refuses a run whose lease was given back', async () => {
        const run = await startRun(storage)
        await storage.releaseLease(run.lease)
        await expect(storage.write(run, [makeEvent(1)])).rejects.toThrow(LeaseLost)
      })
    })
  })
}
