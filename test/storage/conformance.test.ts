import { hash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FormatRegistry } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Alert } from '../../storage/kit/alert.ts'
import { Bitmap } from '../../storage/kit/bitmap.ts'
import type {
  ChangePage,
  EventPage,
  OpenRun,
  PageRequest,
  Piece,
  RunTotal,
  SnapshotContent,
  SourceState,
  Storage,
  WriteOptions
} from '../../storage/kit/contract.ts'
import { encodeContent } from '../../storage/kit/encode.ts'
import { Forgotten, LeaseLost } from '../../storage/kit/errors.ts'
import { type Event, type EventContent, EventSchema } from '../../storage/kit/event.ts'
import type { EventFilters, EventQuery } from '../../storage/kit/filters.ts'
import { newRun } from '../../storage/kit/open-run.ts'
import { RejectSchema } from '../../storage/kit/reject.ts'
import { rejectId } from '../../storage/kit/rejects.ts'
import { NO_COUNTS, RUN_KINDS, RunSchema } from '../../storage/kit/run.ts'
import {
  createStore,
  DRIVERS,
  delistMissing,
  endRun,
  ingest,
  makeEvent,
  startRun,
  type TestStore,
  whyNot
} from './fixtures.ts'
import { shiftTimes } from './shift-times.ts'

FormatRegistry.Set('uuid', (text) => /^[0-9a-f-]{36}$/.test(text))
FormatRegistry.Set('date-time', (text) => !Number.isNaN(Date.parse(text)))

const ALL: EventFilters = { match: 'within' }
const byStart = (filters: EventFilters = ALL): EventQuery => ({ filters, sort: { by: 'start', descending: false } })
const NOTHING = { created: 0, updated: 0, unchanged: 0, restored: 0, duplicates: 0 }
/** A source at the start of its first run. */
const FRESH: SourceState = {
  source: 'demo',
  state: null,
  last_success_at: null,
  snapshot_at: null,
  circuit: { failures: 0, retry_at: null },
  suspicion: null
}
const parse = (page: EventPage) => JSON.parse(`[${page.json}]`) as Event[]
const find = async (storage: Storage, filters: EventFilters = ALL, page: PageRequest = { limit: 1000 }) =>
  parse(await storage.find(byStart(filters), page))
const numbers = (events: Event[]) => events.map((event) => Number(event.event_id.slice(1)))

async function walk(storage: Storage, filters: EventFilters, limit: number): Promise<Event[]> {
  const events: Event[] = []
  let after: PageRequest['after']
  do {
    const page: EventPage = await storage.find(byStart(filters), { limit, ...(after && { after }) })
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
          duplicates: 0,
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
        expect(counts).toEqual({ created: 0, updated: 1, unchanged: 2, restored: 0, duplicates: 0, delisted: 0 })
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
        expect(await storage.write(run, events)).toEqual({ ...NOTHING, duplicates: 50 })
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
        expect(await storage.write(run, [])).toEqual(NOTHING)
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
          duplicates: 0,
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
        await ingest(
          storage,
          Array.from({ length: 600 }, (_, i) => makeEvent(i))
        )
        expect(await ingest(storage, [makeEvent(0)])).toMatchObject({ delisted: 599 })
        const statuses = (await find(storage)).map((event) => event.status)
        expect(statuses.filter((status) => status === 'listed')).toHaveLength(1)
        expect(statuses).toHaveLength(600)
      })
    })

    describe('duplicates', () => {
      it('are counted within a batch, and the last one counts', async () => {
        const run = await startRun(storage)
        const batch = [makeEvent(1, { title: 'First' }), makeEvent(2), makeEvent(1), makeEvent(1, { title: 'Last' })]
        expect(await storage.write(run, batch)).toEqual({ ...NOTHING, created: 2, duplicates: 2 })
        expect((await find(storage)).map((event) => event.title)).toEqual(['Last', 'Event 2'])
        expect(run.met.size).toBe(2)
      })

      it('are counted across the batches of a run, and replace what was written', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        const run = await startRun(storage)
        expect(await storage.write(run, [makeEvent(1), makeEvent(2)])).toEqual({ ...NOTHING, unchanged: 2 })
        const again = [makeEvent(1, { title: 'Last' }), makeEvent(2), makeEvent(3)]
        expect(await storage.write(run, again)).toEqual({ ...NOTHING, created: 1, duplicates: 2 })
        expect((await find(storage)).map((event) => event.title)).toEqual(['Last', 'Event 2', 'Event 3'])
        expect(run.met.size).toBe(3)
        await endRun(storage, run)
        const next = await startRun(storage)
        expect(await storage.write(next, again)).toEqual({ ...NOTHING, unchanged: 3 })
      })

      it('are noted with the run, where it had met them before', async () => {
        const run = await startRun(storage)
        await storage.write(run, [makeEvent(1), makeEvent(1), makeEvent(2), makeEvent(3)])
        expect(run.repeated.size).toBe(0)
        await storage.write(run, [makeEvent(2), makeEvent(4), makeEvent(3, { title: 'x' })])
        await storage.write(run, [makeEvent(2)])
        expect([...run.repeated]).toEqual([makeEvent(2).id, makeEvent(3).id])
      })

      it('are those that were met before they are written', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        const run = await startRun(storage)
        await storage.meet(run, [makeEvent(1).id])
        expect(await storage.write(run, [makeEvent(1), makeEvent(2)])).toEqual({
          ...NOTHING,
          unchanged: 1,
          duplicates: 1
        })
      })
    })

    describe('meeting', () => {
      it('keeps listed events listed, and no other', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2), makeEvent(3)])
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        const before = await find(storage)
        const run = await startRun(storage)
        await storage.meet(run, [makeEvent(1).id, makeEvent(3).id, randomUUID(), makeEvent(1).id])
        await storage.meet(run, [])
        expect(run.met.size).toBe(1)
        expect(await find(storage)).toEqual(before)
        expect(await delistMissing(storage, run)).toBe(1)
        expect((await find(storage)).map((event) => event.status)).toEqual(['listed', 'delisted', 'delisted'])
      })
    })

    describe('writing what is not said to be listed', () => {
      const unlisted = { listed: false }

      it('leaves delisted events delisted, with the time of it, and listed ones listed', async () => {
        await ingest(storage, [makeEvent(1), makeEvent(2), makeEvent(3), makeEvent(4)])
        await ingest(storage, [makeEvent(1), makeEvent(2)])
        const before = await find(storage)
        await sleep(5)
        const run = await startRun(storage, 'demo', 'reparse')
        const batch = [makeEvent(1, { title: 'x' }), makeEvent(2), makeEvent(3, { title: 'y' }), makeEvent(4)]
        expect(await storage.write(run, batch, unlisted)).toEqual({ ...NOTHING, updated: 2, unchanged: 2 })
        const after = await find(storage)
        expect(after).toEqual([
          { ...before[0], title: 'x', updated_at: after[0]!.updated_at },
          before[1],
          { ...before[2], title: 'y', updated_at: after[2]!.updated_at },
          before[3]
        ])
        expect(after[2]!.updated_at > before[2]!.updated_at).toBe(true)
        expect(after[2]!.delisted_at).toBe(before[2]!.delisted_at)
        // Met are the listed ones: nothing is missing, and nothing of what is delisted counts as met.
        expect(run.met.size).toBe(2)
        expect(await delistMissing(storage, run)).toBe(0)
      })

      it('adds new events as delisted ones', async () => {
        await ingest(storage, [makeEvent(1)])
        const run = await startRun(storage, 'demo', 'redrive')
        expect(await storage.write(run, [makeEvent(2)], unlisted)).toEqual({ ...NOTHING, created: 1 })
        expect(await storage.write(run, [makeEvent(2)], unlisted)).toEqual({ ...NOTHING, unchanged: 1 })
        expect(run.met.size).toBe(0)
        const added = (await storage.get(makeEvent(2).id))!
        expect(added).toMatchObject({ status: 'delisted', ever_online: true })
        expect(added.first_seen_at).toBe(added.delisted_at)
        expect([...Value.Errors(EventSchema, added)]).toEqual([])
        // The one that is listed is missing, the new one is not.
        expect((await storage.missing(run, '2024-01-01T00:00:00Z')).all).toHaveLength(1)
        await endRun(storage, run)
        await sleep(2)
        expect(await ingest(storage, [makeEvent(1), makeEvent(2)])).toMatchObject({ unchanged: 1, restored: 1 })
        const back = (await storage.get(makeEvent(2).id))!
        expect(back).toEqual({ ...added, status: 'listed', delisted_at: null, updated_at: back.updated_at })
      })

      it('grows the revision with what changed alone', async () => {
        await ingest(storage, [makeEvent(1)])
        const run = await startRun(storage)
        const revision = await storage.revision()
        await storage.write(run, [makeEvent(1)], unlisted)
        expect(await storage.revision()).toBe(revision)
        await storage.write(run, [makeEvent(2)], unlisted)
        expect(await storage.revision()).toBeGreaterThan(revision)
      })
    })

    describe('events of an earlier document', () => {
      const titles = async () => (await find(storage)).map((event) => event.title)
      /** One run that writes just this. */
      async function write(title: string, options?: WriteOptions) {
        const run = await startRun(storage)
        const counts = await storage.write(run, [makeEvent(1, { title })], options)
        await endRun(storage, run)
        return { counts, token: run.lease.token }
      }

      it('go over no content from a later one, delisted or not, whatever clock says', async () => {
        const first = await write('first')
        const second = await write('second')
        expect((await write('first again', { asOf: first.token })).counts).toEqual({ ...NOTHING, unchanged: 1 })
        expect(await titles()).toEqual(['second'])
        await ingest(storage, [makeEvent(2)])
        await write('first again', { asOf: first.token, listed: false })
        expect(await titles()).toEqual(['second', 'Event 2'])
        await write('second again', { asOf: second.token, listed: false })
        expect(await titles()).toEqual(['second again', 'Event 2'])
      })

      it('can be written as often as they are read, and are as old as their document', async () => {
        const first = await write('first')
        const second = await write('first')
        for (const title of ['wrong', 'right']) {
          expect((await write(title, { asOf: first.token })).counts).toEqual({ ...NOTHING, updated: 1 })
        }
        expect((await write('of the second', { asOf: second.token })).counts).toEqual({ ...NOTHING, updated: 1 })
        expect((await write('too late', { asOf: first.token })).counts).toEqual({ ...NOTHING, unchanged: 1 })
        expect(await titles()).toEqual(['of the second'])
      })
    })

    describe('pieces', () => {
      const [one, two, three] = [makeEvent(1), makeEvent(2), makeEvent(3)]
      const from = (...pieces: [EventContent, string][]) => ({
        pieces: new Map(pieces.map(([event, piece]) => [event.id, piece]))
      })
      const A = { digest: 'a', ids: [one.id, two.id] }
      const B = { digest: 'b', ids: [three.id] }
      /** A run that found these events in pieces A and B. */
      const readAll = async () => {
        const run = await startRun(storage)
        await storage.write(run, [one, two, three], from([one, 'a'], [two, 'a'], [three, 'b']))
        await endRun(storage, run)
      }

      /** Whether they are known, one by one. */
      const known = async (run: OpenRun, pieces: Piece[]) =>
        (await storage.findPieces(run, pieces)).map((numbers) => numbers !== null)

      it('are known when all of their events were last written from just them', async () => {
        await readAll()
        const revision = await storage.revision()
        const run = await startRun(storage)
        const changed = { ...B, digest: 'changed' }
        const grown = { digest: 'a', ids: [one.id, two.id, randomUUID()] }
        expect(await storage.findPieces(run, [changed, grown])).toEqual([null, null])
        expect(await storage.findPieces(run, [])).toEqual([])
        const [numbers, none] = await storage.findPieces(run, [A, changed])
        expect([numbers!.length, none]).toEqual([2, null])
        expect(run.met.size).toBe(0)
        for (const number of numbers!) run.met.add(number)
        expect(await storage.revision()).toBe(revision)
        expect(await delistMissing(storage, run)).toBe(1)
        expect((await find(storage)).map((event) => event.status)).toEqual(['listed', 'listed', 'delisted'])
      })

      it('are kept of events that are the same, which is no change', async () => {
        await ingest(storage, [one, two])
        const before = await find(storage)
        const revision = await storage.revision()
        await sleep(5)
        const run = await startRun(storage)
        expect(await known(run, [A])).toEqual([false])
        const written = await storage.write(run, [one, two], from([one, 'a'], [two, 'a']))
        expect(written).toEqual({ ...NOTHING, unchanged: 2 })
        await endRun(storage, run)
        expect(await storage.revision()).toBe(revision)
        expect(await find(storage)).toEqual(before)
        expect(await known(await startRun(storage), [A])).toEqual([true])
      })

      it('are known as long as their events are what they said', async () => {
        const pieces: [WriteOptions | undefined, EventContent, boolean][] = [
          [from([two, 'c']), two, false],
          [undefined, two, true],
          [from([two, 'c']), makeEvent(2, { title: 'x' }), false],
          [undefined, makeEvent(2, { title: 'y' }), false],
          [{ listed: false }, makeEvent(2, { title: 'z' }), false]
        ]
        for (const [options, event, isKnown] of pieces) {
          await readAll()
          const run = await startRun(storage)
          await storage.write(run, [event], options)
          expect(await known(run, [A, B])).toEqual([isKnown, true])
          await endRun(storage, run)
        }
      })

      it('are not known while one of their events is delisted', async () => {
        await readAll()
        await ingest(storage, [two])
        expect(await known(await startRun(storage), [A, B])).toEqual([false, false])
      })

      it('are not known where they name an event twice', async () => {
        await readAll()
        expect(await known(await startRun(storage), [{ digest: 'b', ids: [three.id, three.id] }])).toEqual([false])
      })
    })

    describe('what is missing', () => {
      const at = (day: number) => `2024-05-0${day}T20:00:00`
      const events = [1, 2, 3, 4].map((day) => makeEvent(day, { start_date: at(day) }))
      const [one, , three, four] = events as [EventContent, EventContent, EventContent, EventContent]

      it('is what is listed and was not met, and of that what starts in the future', async () => {
        await ingest(storage, events)
        await ingest(storage, [makeEvent(5, { source: 'other', start_date: at(9) })], { source: 'other' })
        const run = await startRun(storage)
        await storage.write(run, [three])
        // What starts just now is not in the future.
        const missing = await storage.missing(run, `${at(2)}Z`)
        expect(missing).toMatchObject({ all: { length: 3 }, future: { length: 1 }, listedFuture: 2 })
        expect(missing.all).toContain(missing.future[0])
        expect(missing.all.filter((number) => run.met.has(number))).toEqual([])
        expect(await storage.delist(run, missing.future)).toBe(1)
        expect((await storage.get(four.id))!.status).toBe('delisted')
        expect(await storage.missing(run, `${at(2)}Z`)).toMatchObject({
          all: { length: 2 },
          future: { length: 0 },
          listedFuture: 1
        })
      })

      it('is nothing where all were met or none is known', async () => {
        const nothing = { all: [], future: [], listedFuture: 0 }
        const first = await startRun(storage)
        expect(await storage.missing(first, `${at(1)}Z`)).toEqual(nothing)
        await endRun(storage, first)
        await ingest(storage, events)
        const run = await startRun(storage)
        await storage.write(run, events)
        expect((await storage.missing(run, `${at(1)}Z`)).all).toEqual([])
      })

      it('is nothing of a source that never had a run', async () => {
        await ingest(storage, events)
        const lease = (await storage.takeLease('source:other', 'a', 60_000))!
        const run = newRun('other', lease, 'fetch')
        expect(await storage.missing(run, `${at(1)}Z`)).toEqual({ all: [], future: [], listedFuture: 0 })
      })

      it('is delisted only where it is listed and was not met, of the own source', async () => {
        await ingest(storage, events)
        await ingest(storage, [makeEvent(5, { source: 'other' })], { source: 'other' })
        const other = await startRun(storage, 'other')
        const foreign = (await storage.missing(other, `${at(1)}Z`)).all
        expect(foreign).toHaveLength(1)
        const earlier = await startRun(storage)
        const numbers = (await storage.missing(earlier, `${at(1)}Z`)).all
        await endRun(storage, earlier)
        await ingest(storage, events.slice(0, 3))
        const gone = await storage.get(four.id)

        const run = await startRun(storage, 'demo', 'confirm')
        await storage.write(run, [one])
        await sleep(2)
        const revision = await storage.revision()
        expect(await storage.delist(run, [...numbers, ...foreign, 1e9])).toBe(2)
        expect(await storage.revision()).toBeGreaterThan(revision)
        expect((await find(storage)).map((event) => [event.event_id, event.status])).toEqual([
          ['e1', 'listed'],
          ['e2', 'delisted'],
          ['e3', 'delisted'],
          ['e4', 'delisted'],
          ['e5', 'listed']
        ])
        expect(await storage.get(four.id)).toEqual(gone)
        const after = await storage.revision()
        expect(await storage.delist(run, numbers)).toBe(0)
        expect(await storage.delist(run, [])).toBe(0)
        expect(await storage.revision()).toBe(after)
      })
    })

    describe('what is known of events', () => {
      const [one, two, three] = [makeEvent(1), makeEvent(2, { title: 'ñ "🎭"' }), makeEvent(3)]

      it('is what a write of them is judged by, by their ids or numbers', async () => {
        const run = await startRun(storage)
        await storage.write(run, [one, two], { pieces: new Map([[one.id, 'a']]) })
        await storage.write(run, [three], { asOf: 0, listed: false })
        await endRun(storage, run)
        const unknown = makeEvent(9).id
        const known = await storage.known('demo', { ids: [three.id, unknown, two.id, one.id] })
        const byId = new Map(known.map((item) => [item.event.id, item]))
        expect(known).toHaveLength(3)
        for (const [event, piece, asOf] of [
          [one, 'a', run.lease.token],
          [two, null, run.lease.token],
          [three, null, 0]
        ] as const) {
          const { fingerprint } = encodeContent(event)
          const number = byId.get(event.id)!.number
          expect(byId.get(event.id)).toEqual({ number, fingerprint, piece, asOf, event: await storage.get(event.id) })
          expect(await storage.known('demo', { numbers: [number] })).toEqual([byId.get(event.id)])
        }
        const numbers = known.map(({ number }) => number)
        expect(await storage.known('demo', { numbers: [...numbers, 1e9] })).toHaveLength(3)
        expect(await storage.known('demo', { numbers: [] })).toEqual([])
        expect(await storage.known('demo', { ids: [] })).toEqual([])
      })

      it('has the numbers that runs have, and nothing of another source', async () => {
        await ingest(storage, [one, two])
        const run = await startRun(storage)
        await storage.write(run, [one])
        const known = await storage.known('demo', { ids: [one.id, two.id] })
        const met = known.filter(({ number }) => run.met.has(number))
        expect(met.map(({ event }) => event.id)).toEqual([one.id])
        const { all } = await storage.missing(run, '2024-01-01T00:00:00Z')
        expect((await storage.known('demo', { numbers: all })).map(({ event }) => event.id)).toEqual([two.id])
        for (const source of ['other', 'never']) {
          expect(await storage.known(source, { numbers: all })).toEqual([])
          expect(await storage.known(source, { ids: [one.id] })).toEqual([])
        }
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

      it('is the oldest that what is found by it may be of, however often that was found before', async () => {
        const reader = await store.open(true)
        const query = byStart({ ...ALL, everOnline: true, from: { clock: 'utc', at: '2024-05-01T00:00:00Z' } })
        for (const title of ['Former', 'Present']) {
          await ingest(storage, [makeEvent(1, { title }), makeEvent(2)])
          const revision = await reader.revision()
          for (let i = 0; i < 4; i++) {
            const [event] = parse(await reader.find(query, { limit: 1 }, revision))
            expect(event!.title).toBe(title)
          }
        }
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
        const page = await storage.find(byStart(), { limit: 10 })
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
        const first = await storage.find(byStart(), { limit: 10 })
        const before = makeEvent(100, { start_date: '2024-01-01T00:00:00' })
        await ingest(storage, [before, ...Array.from({ length: 15 }, (_, i) => makeEvent(i))])
        const rest = parse(await storage.find(byStart(), { limit: 100, after: first.next! }))
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
        expect(await ask({ sources: ['other'] })).toEqual([3])
        expect(await ask({ sources: ['other'], everOnline: true })).toEqual([3])
        expect(await ask({ sources: ['nobody'] })).toEqual([])
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
        await ingest(
          storage,
          Array.from({ length: 600 }, (_, i) => makeEvent(i))
        )
        const streamed: string[] = []
        for await (const event of storage.stream(byStart())) streamed.push(event.id)
        expect(streamed).toEqual((await walk(storage, ALL, 1000)).map((event) => event.id))
        const stop = new AbortController()
        let seen = 0
        const reading = async () => {
          for await (const _event of storage.stream(byStart(), stop.signal)) if (++seen === 3) stop.abort()
        }
        await expect(reading()).rejects.toThrow()
        expect(seen).toBeLessThan(600)
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
            kind: 'fetch',
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
        expect(closed.finished_at! >= closed.started_at!).toBe(true)
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
        expect(await storage.sources()).toEqual([FRESH])
        const end = { reason: null, detail: null, counts: NO_COUNTS }
        const first = await storage.closeRun(run, { ...end, outcome: 'complete', state: { etag: '"1"', digest: null } })
        await storage.releaseLease(run.lease)
        expect(await storage.sources()).toEqual([
          { ...FRESH, state: { etag: '"1"', digest: null }, last_success_at: first.finished_at }
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

    describe('kinds of runs', () => {
      it('are recorded', async () => {
        for (const kind of RUN_KINDS) {
          const run = await startRun(storage, 'demo', kind)
          expect(run.kind).toBe(kind)
          expect(await endRun(storage, run)).toMatchObject({ id: run.id, kind })
          await sleep(2)
        }
        const { items } = await storage.runs('demo', { limit: 10 })
        expect(items.map((run) => run.kind)).toEqual(RUN_KINDS.toReversed())
        for (const run of items) expect([...Value.Errors(RunSchema, run)]).toEqual([])
      })

      it('decide what is known of the source: only a fetch can make it fresh', async () => {
        for (const kind of RUN_KINDS.filter((kind) => kind !== 'fetch')) {
          await endRun(storage, await startRun(storage, 'demo', kind), { readWhole: true })
          await endRun(storage, await startRun(storage, 'demo', kind), { outcome: 'unchanged' })
          expect(await storage.sources()).toEqual([FRESH])
        }
        const run = await startRun(storage)
        const { finished_at } = await endRun(storage, run, { readWhole: true })
        const known = { ...FRESH, snapshot_at: run.started_at, last_success_at: finished_at }
        expect(await storage.sources()).toEqual([known])
        await sleep(2)
        await endRun(storage, await startRun(storage, 'demo', 'reparse'), { readWhole: true })
        expect(await storage.sources()).toEqual([known])
      })

      it('may follow one another under one lease', async () => {
        const first = await startRun(storage)
        await storage.closeRun(first, { outcome: 'complete', reason: null, detail: null, counts: NO_COUNTS })
        await sleep(2)
        const open = await storage.openRun('demo', first.lease, 'reparse')
        await sleep(2)
        const last = await storage.openRun('demo', first.lease, 'reparse')
        expect((await storage.runs('demo', { limit: 10 })).items).toMatchObject([
          { id: last.id, outcome: null },
          { id: open.id, outcome: 'aborted', reason: 'abandoned' },
          { id: first.id, outcome: 'complete' }
        ])
        await storage.prune({ runs: 2 })
        expect((await storage.runs('demo', { limit: 10 })).items.map((run) => run.id)).toEqual([last.id, open.id])
      })
    })

    describe('what is known of a source', () => {
      it('has the start of the last run that read a whole snapshot, whatever became of it', async () => {
        const suspicious = await startRun(storage)
        await endRun(storage, suspicious, { outcome: 'suspicious', reason: 'vanished', readWhole: true })
        const known = { ...FRESH, snapshot_at: suspicious.started_at }
        expect(await storage.sources()).toEqual([known])
        await sleep(2)
        await endRun(storage, await startRun(storage), { outcome: 'partial', reason: 'truncated' })
        await endRun(storage, await startRun(storage), { outcome: 'partial', reason: 'truncated', readWhole: false })
        expect(await storage.sources()).toEqual([known])
        const unchanged = await endRun(storage, await startRun(storage), { outcome: 'unchanged' })
        expect(await storage.sources()).toEqual([{ ...known, last_success_at: unchanged.finished_at }])
      })

      it('has the circuit and the suspicion that were given last', async () => {
        const circuit = { failures: 3, retry_at: '2024-05-01T00:00:00.000Z' }
        const run = await startRun(storage)
        const met = new Bitmap()
        for (const number of [1, 70_000]) met.add(number)
        const suspicion = { run_id: run.id, missing: 2, future_missing: 1, future_listed: 9, numbers: met.encode() }
        await endRun(storage, run, { outcome: 'suspicious', reason: 'vanished', circuit, suspicion })
        const known = { ...FRESH, circuit, suspicion }
        expect(await storage.sources()).toEqual([known])
        await endRun(storage, await startRun(storage), { outcome: 'failed', reason: 'dns' })
        expect(await storage.sources()).toEqual([known])
        await endRun(storage, await startRun(storage), { outcome: 'failed', reason: 'dns', suspicion: null })
        expect(await storage.sources()).toEqual([{ ...known, suspicion: null }])
        const closed = { failures: 0, retry_at: null }
        await endRun(storage, await startRun(storage), { outcome: 'failed', reason: 'dns', circuit: closed })
        expect(await storage.sources()).toEqual([FRESH])
      })

      it('outlives a run that nobody closed, but for the state', async () => {
        const circuit = { failures: 1, retry_at: null }
        const run = await startRun(storage)
        const suspicion = { run_id: run.id, missing: 2, future_missing: 1, future_listed: 9, numbers: '{}' }
        const { finished_at } = await endRun(storage, run, {
          state: { etag: '1' },
          circuit,
          suspicion,
          readWhole: true
        })
        await storage.releaseLease((await startRun(storage)).lease)
        await startRun(storage)
        const known = { snapshot_at: run.started_at, last_success_at: finished_at, circuit, suspicion }
        expect(await storage.sources()).toEqual([{ ...FRESH, ...known }])
      })
    })

    describe('totals of runs', () => {
      const total = (changes: Partial<RunTotal>): RunTotal => ({
        source: 'demo',
        kind: 'fetch',
        outcome: 'complete',
        reason: null,
        runs: 1,
        ...changes
      })
      const byText = (totals: RunTotal[]) => totals.map((one) => JSON.stringify(total(one))).sort()

      it('add up, and survive pruning', async () => {
        expect(await storage.runTotals()).toEqual([])
        const failed = { outcome: 'failed', reason: 'dns' } as const
        for (const end of [{}, failed, {}, { ...failed, reason: 'tls' as const }, failed, {}]) {
          await endRun(storage, await startRun(storage), end)
        }
        await endRun(storage, await startRun(storage, 'demo', 'reparse'))
        await endRun(storage, await startRun(storage, 'other'))
        const expected = [
          total({ runs: 3 }),
          total({ ...failed, runs: 2 }),
          total({ ...failed, reason: 'tls' }),
          total({ kind: 'reparse' }),
          total({ source: 'other' })
        ]
        expect(byText(await storage.runTotals())).toEqual(byText(expected))
        await storage.prune({ runs: 1 })
        expect((await storage.runs('demo', { limit: 10 })).items).toHaveLength(1)
        expect(byText(await storage.runTotals())).toEqual(byText(expected))
      })

      it('have those that nobody closed', async () => {
        for (const kind of ['fetch', 'redrive', 'fetch'] as const) {
          await storage.releaseLease((await startRun(storage, 'demo', kind)).lease)
        }
        await startRun(storage)
        const end = { outcome: 'aborted', reason: 'abandoned' } as const
        expect(byText(await storage.runTotals())).toEqual(
          byText([total({ ...end, runs: 2 }), total({ ...end, kind: 'redrive' })])
        )
      })
    })

    describe('totals of changes', () => {
      const CHANGES = { created: 1, updated: 20, delisted: 300, restored: 4000, rejected: 50_000 }

      it('add up what every closed run of a source counted, and survive pruning', async () => {
        expect(await storage.changeTotals()).toEqual([])
        for (const kind of ['fetch', 'fetch', 'redrive'] as const) {
          const counts = { ...NO_COUNTS, ...CHANGES, seen: 7, unchanged: 7, duplicates: 7, bytes: 7, duration: 7 }
          await endRun(storage, await startRun(storage, 'demo', kind), { counts })
        }
        await endRun(storage, await startRun(storage, 'other'))
        await storage.prune({ runs: 1 })
        expect(await storage.changeTotals()).toEqual([
          { source: 'demo', created: 3, updated: 60, delisted: 900, restored: 12_000, rejected: 150_000 },
          { source: 'other', created: 0, updated: 0, delisted: 0, restored: 0, rejected: 0 }
        ])
      })

      it('have nothing of a run that is not closed', async () => {
        const run = await startRun(storage)
        await storage.write(run, [makeEvent(1)])
        expect(await storage.changeTotals()).toMatchObject([{ source: 'demo', created: 0 }])
      })
    })

    describe('numbers of events', () => {
      /** As the events themselves say. */
      async function counted(source: string) {
        const statuses = (await find(storage, { ...ALL, sources: [source] })).map(({ status }) => status)
        const count = (status: string) => statuses.filter((one) => one === status).length
        return { source, listed: count('listed'), delisted: count('delisted') }
      }

      it('are those of the events, whatever becomes of them', async () => {
        expect(await storage.countEvents()).toEqual([])
        const all = Array.from({ length: 20 }, (_, number) => makeEvent(number))
        const steps: [string, () => Promise<unknown>][] = [
          ['created', () => ingest(storage, all)],
          ['the same', () => ingest(storage, all)],
          ['another source', () => ingest(storage, [makeEvent(1, { source: 'other' })], { source: 'other' })],
          ['delisted', () => ingest(storage, all.slice(0, 12))],
          ['delisted again', () => ingest(storage, all.slice(0, 12))],
          ['restored, and others delisted', () => ingest(storage, all.slice(5, 15))],
          ['a part of it', () => ingest(storage, all.slice(14, 17), { complete: false })],
          [
            'changed',
            () => ingest(storage, [makeEvent(0, { title: 'T' }), makeEvent(9, { title: 'T' })], { complete: false })
          ]
        ]
        for (const [name, step] of steps) {
          await step()
          for (const count of await storage.countEvents()) expect(count, name).toEqual(await counted(count.source))
        }
        expect(await storage.countEvents()).toEqual([
          { source: 'demo', listed: 13, delisted: 7 },
          { source: 'other', listed: 1, delisted: 0 }
        ])
      })

      it('have what is written twice in a run, or not as listed, once', async () => {
        const run = await startRun(storage)
        await storage.write(run, [makeEvent(1), makeEvent(1), makeEvent(2)])
        await storage.write(run, [makeEvent(1, { title: 'Again' })])
        await storage.write(run, [makeEvent(2, { title: 'Changed' }), makeEvent(3)], { listed: false })
        await storage.write(run, [makeEvent(3), makeEvent(3, { title: 'Restored' })])
        await storage.write(run, [makeEvent(4)], { listed: false })
        expect(await storage.countEvents()).toEqual([{ source: 'demo', listed: 3, delisted: 1 }])
        expect(await counted('demo')).toMatchObject({ listed: 3, delisted: 1 })
      })
    })

    describe('alerts', () => {
      const alert = (changes: Partial<Alert> = {}): Alert => ({
        id: randomUUID(),
        source: 'demo',
        kind: 'failing',
        since: '2024-05-01T20:00:00.000Z',
        ended_at: null,
        begin_told: 'no',
        end_told: 'no',
        failures: 0,
        retry_at: null,
        ...changes
      })
      const take = async () => (await storage.takeLease('send-alerts', randomUUID(), 60_000))!

      it('are those that were saved last, in their order, for every process', async () => {
        expect(await storage.alerts()).toEqual([])
        const lease = await take()
        const first = alert({ source: 'z', begin_told: 'maybe', failures: 3, retry_at: '2024-05-01T20:00:15.000Z' })
        const second = alert({ source: 'a', kind: 'stale', begin_told: 'yes', ended_at: '2024-05-02T20:00:00.000Z' })
        await storage.saveAlerts(lease, [first, second])
        expect(await (await store.open()).alerts()).toEqual([first, second])
        await storage.saveAlerts(lease, [second])
        expect(await storage.alerts()).toEqual([second])
        await storage.saveAlerts(lease, [])
        expect(await storage.alerts()).toEqual([])
      })

      it('are not saved by whoever lost the lease', async () => {
        const stale = await take()
        await shiftTimes(driver, store.options, -61_000)
        const lease = await take()
        const mine = alert()
        await storage.saveAlerts(lease, [mine])
        await expect(storage.saveAlerts(stale, [alert()])).rejects.toThrow(LeaseLost)
        await storage.releaseLease(lease)
        await expect(storage.saveAlerts(lease, [])).rejects.toThrow(LeaseLost)
        expect(await storage.alerts()).toEqual([mine])
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
        await storage.writeRejects(first, [reject('<a/>')], 10)
        await storage.writeRejects(first, [reject('<a/>')], 10)
        await endRun(storage, first)
        await sleep(2)
        const second = await startRun(storage)
        const moved = { ...reject('<a/>'), path: '/eventList/output/base_event[9]/event[1]' }
        await storage.writeRejects(second, [moved, reject('<b/>')], 10)
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
          await storage.writeRejects(run, [reject(`<r${i}/>`)], 10)
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

      it('keeps as many as it is told, of each source the last seen ones', async () => {
        const other = await startRun(storage, 'other')
        await storage.writeRejects(other, [reject('<other/>')], 3)
        const raws = async () => (await storage.rejects('demo', { limit: 10 })).items.map((item) => item.raw)
        const run = await startRun(storage)
        for (const i of [0, 1, 2, 3, 4, 1]) {
          await storage.writeRejects(run, [reject(`<r${i}/>`)], 3)
          await sleep(2)
        }
        expect(await raws()).toEqual(['<r1/>', '<r4/>', '<r3/>'])
        await storage.writeRejects(
          other,
          [0, 1, 2].map((i) => reject(`<other${i}/>`)),
          10
        )
        await storage.writeRejects(run, [], 3)
        expect(await raws()).toHaveLength(3)
        await storage.writeRejects(
          run,
          ['a', 'b', 'c', 'd', 'e'].map((raw) => reject(raw)),
          3
        )
        expect(await raws()).toHaveLength(3)
        expect((await raws()).every((raw) => raw.length === 1)).toBe(true)
        await storage.writeRejects(run, [], 1)
        expect(await raws()).toHaveLength(1)
        expect((await storage.rejects('other', { limit: 10 })).items).toHaveLength(4)
      })

      it('keeps the last of two that are the same in one batch, and counts it once', async () => {
        const run = await startRun(storage)
        await storage.writeRejects(run, [reject('<a/>'), { ...reject('<a/>'), path: '/last' }], 10)
        const { items } = await storage.rejects('demo', { limit: 10 })
        expect(items).toMatchObject([{ raw: '<a/>', path: '/last', count: 1 }])
        expect([...Value.Errors(RejectSchema, items[0])]).toEqual([])
        expect(Object.keys(items[0]!).sort()).toEqual([...Object.keys(RejectSchema.properties), 'token'].sort())
      })

      it('deletes by id, of the own source alone', async () => {
        const other = await startRun(storage, 'other')
        await storage.writeRejects(other, [reject('<a/>')], 10)
        const run = await startRun(storage)
        await storage.writeRejects(run, [reject('<a/>'), reject('<b/>'), reject('<c/>')], 10)
        const foreign = (await storage.rejects('other', { limit: 10 })).items[0]!
        const { items } = await storage.rejects('demo', { limit: 10 })
        const gone = items.filter((item) => item.raw !== '<b/>').map((item) => item.id)
        await storage.deleteRejects(run, [...gone, foreign.id, 'nobody'])
        await storage.deleteRejects(run, [])
        expect((await storage.rejects('demo', { limit: 10 })).items.map((item) => item.raw)).toEqual(['<b/>'])
        expect((await storage.rejects('other', { limit: 10 })).items).toEqual([foreign])
        // It comes back as a new one.
        await storage.writeRejects(run, [reject('<a/>')], 10)
        const back = (await storage.rejects('demo', { limit: 10 })).items.find((item) => item.raw === '<a/>')
        expect(back).toMatchObject({ count: 1 })
      })

      it('keeps no event listed by itself', async () => {
        await ingest(storage, [makeEvent(1)])
        const run = await startRun(storage)
        await storage.writeRejects(run, [reject('<broken/>', makeEvent(1).id)], 10)
        expect(await delistMissing(storage, run)).toBe(1)
      })
    })

    describe('pruning', () => {
      it('keeps the newest runs of each source, and all events and rejects', async () => {
        await ingest(storage, [makeEvent(1)])
        const ids: string[] = []
        for (let i = 0; i < 5; i++) {
          const run = await startRun(storage)
          ids.unshift(run.id)
          await storage.writeRejects(run, [{ reason: 'r', path: '/', raw: String(i), event_id: null }], 10)
          await endRun(storage, run)
        }
        await endRun(storage, await startRun(storage, 'other'))
        await storage.prune({ runs: 2 })
        const kept = async () => (await storage.runs('demo', { limit: 10 })).items.map((run) => run.id)
        expect(await kept()).toEqual(ids.slice(0, 2))
        await storage.prune({ runs: 2 })
        expect(await kept()).toEqual(ids.slice(0, 2))
        expect((await storage.runs('other', { limit: 10 })).items).toHaveLength(1)
        expect((await storage.rejects('demo', { limit: 10 })).items).toHaveLength(5)
        expect(await find(storage)).toHaveLength(1)
      })
    })

    describe('changes', () => {
      const only = (title: string) => ingest(storage, [makeEvent(1, { title })], { complete: false })
      const titles = ({ items }: ChangePage) => items.map(({ event }) => event.title)

      it('are refused after a position where some of them were deleted, not where none is lacking', async () => {
        const empty = await storage.lastChange()
        await ingest(storage, [makeEvent(1, { title: 'A' }), makeEvent(2)])
        const early = await storage.lastChange()
        const first = (await storage.changes({ limit: 1 })).next
        await only('B')
        const between = await storage.lastChange()
        await only('C')
        const last = await storage.lastChange()
        const { items } = await storage.changes({ limit: 10, after: between })
        const revision = await storage.revision()
        await storage.prune({ runs: 9, historySince: new Date(Date.parse(items[0]!.at) + 1).toISOString() })
        // Whoever keeps answers about the past has to know.
        expect(await storage.revision()).toBeGreaterThan(revision)
        // There was none with this id at any time.
        expect(await storage.get(makeEvent(9).id, '2000-01-01T00:00:00.000Z')).toBeNull()

        for (const after of [empty, first, early]) {
          const error = await storage.changes({ limit: 10, after }).catch((error) => error)
          expect(error).toBeInstanceOf(Forgotten)
          expect(error.message).toMatch(/all from 20.*Z on: start afresh/)
        }
        expect(titles(await storage.changes({ limit: 10, after: between }))).toEqual(['C'])
        expect(await storage.changes({ limit: 10, after: last })).toMatchObject({ items: [], hasMore: false })
        // Who starts afresh is told of all that are kept, also page by page, though some before the last one are not.
        for (const start of [{}, { since: '2000-01-01T00:00:00.000Z' }]) {
          const page = await storage.changes({ limit: 1, ...start })
          const rest = await storage.changes({ limit: 10, after: page.next })
          expect([...titles(page), ...titles(rest)]).toEqual(['Event 2', 'C'])
          expect(titles(await storage.changes({ limit: 10, after: page.items[0]!.position }))).toEqual(['C'])
        }
        await only('D')
        expect(titles(await storage.changes({ limit: 10, after: last }))).toEqual(['D'])
      })
    })

    describe('snapshots', () => {
      const KEEP = { count: 3, bytes: 1e9 }
      const content = (body: Uint8Array): SnapshotContent => ({
        digest: hash('sha256', body, 'hex'),
        charset: null,
        bytes: body.length
      })
      const read = async (runId: string) => {
        const parts: Uint8Array[] = []
        for await (const part of storage.readBody(runId)) parts.push(part)
        return parts.map((part) => Buffer.from(part))
      }
      /** A run that reads a body of these parts and keeps it. */
      const keep = async (
        parts: Uint8Array[],
        { source = 'demo', ...most }: { source?: string } & typeof KEEP = KEEP
      ) => {
        const run = await startRun(storage, source)
        for (const [i, part] of parts.entries()) await storage.writeBody(run, i, part)
        await storage.keepSnapshot(run, content(Buffer.concat(parts)), most)
        await endRun(storage, run)
        return run.id
      }
      const ids = async (source = 'demo') => (await storage.snapshots(source)).map((snapshot) => snapshot.run_id)

      it('come back byte for byte, in their parts, oldest first', async () => {
        const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
        // A part of a larger buffer, parts of the greatest length, and one of a single byte.
        const large = new Uint8Array(2e6 + 1).map((_, i) => (i * 7) % 251)
        const parts = [every.subarray(3, 250), large.subarray(0, 1e6), large.subarray(1e6, 2e6), large.subarray(2e6)]
        const first = await keep([Buffer.from('<a/>')])
        const second = await keep(parts)
        expect(await storage.snapshots('demo')).toEqual([
          {
            run_id: first,
            token: 1,
            ...content(Buffer.from('<a/>')),
            size: 4,
            kept_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
          },
          { run_id: second, token: 2, ...content(Buffer.concat(parts)), size: 2e6 + 248, kept_at: expect.any(String) }
        ])
        const back = await read(second)
        expect(back.map((part) => part.length)).toEqual(parts.map((part) => part.length))
        expect(hash('sha256', Buffer.concat(back), 'hex')).toBe(content(Buffer.concat(parts)).digest)
        expect(await read(first)).toEqual([Buffer.from('<a/>')])
        expect(await storage.snapshots('nobody')).toEqual([])
        expect(await read(randomUUID())).toEqual([])
      })

      it('come back in the order of their parts, however many there are and in whatever order they came', async () => {
        const run = await startRun(storage)
        const order = Array.from({ length: 12 }, (_, i) => (i * 5) % 12)
        for (const part of order) await storage.writeBody(run, part, Buffer.from([part]))
        await storage.keepSnapshot(run, { digest: 'd', charset: 'utf-16le', bytes: 999 }, KEEP)
        expect(Buffer.concat(await read(run.id))).toEqual(Buffer.from(order.toSorted((a, b) => a - b)))
        expect(await storage.snapshots('demo')).toMatchObject([
          { digest: 'd', charset: 'utf-16le', bytes: 999, size: 12 }
        ])
      })

      it('can have no parts', async () => {
        const id = await keep([])
        expect(await storage.snapshots('demo')).toMatchObject([{ run_id: id, bytes: 0, size: 0 }])
        expect(await read(id)).toEqual([])
      })

      it('replace the oldest ones beyond a number, of each source', async () => {
        const other = await keep([Buffer.from('other')], { ...KEEP, source: 'other' })
        const kept: string[] = []
        for (const i of [0, 1, 2, 3, 4]) kept.push(await keep([Buffer.from(`body ${i}`)]))
        expect(await ids()).toEqual(kept.slice(2))
        expect(await read(kept[1]!)).toEqual([])
        expect(await read(kept[2]!)).toEqual([Buffer.from('body 2')])
        expect(await ids('other')).toEqual([other])
        const last = await keep([Buffer.from('last')], { ...KEEP, count: 1 })
        expect(await ids()).toEqual([last])
        for (const id of kept) expect(await read(id)).toEqual([])
        expect(await read(other)).toEqual([Buffer.from('other')])
        await keep([Buffer.from('none')], { ...KEEP, count: 0 })
        expect(await ids()).toEqual([])
      })

      it('replace the oldest ones beyond a number of bytes, and none where they alone have more', async () => {
        const small = { count: 10, bytes: 100 }
        const body = (size: number) => [Buffer.alloc(size / 2, 1), Buffer.alloc(size / 2, 2)]
        const kept = [await keep(body(40), small), await keep(body(40), small)]
        kept.push(await keep(body(20), small))
        expect(await ids()).toEqual(kept)
        kept.push(await keep(body(2), small))
        expect(await ids()).toEqual(kept.slice(1))
        kept.push(await keep(body(80), small))
        expect(await ids()).toEqual(kept.slice(3))
        const tooLarge = await keep(body(102), small)
        expect(await ids()).toEqual(kept.slice(3))
        expect(await read(tooLarge)).toEqual([])
        kept.push(await keep(body(100), small))
        expect(await ids()).toEqual(kept.slice(5))
        for (const id of kept.slice(0, 5)) expect(await read(id)).toEqual([])
        expect(Buffer.concat(await read(kept[5]!))).toHaveLength(100)
      })

      it('are not kept without a word of what they are', async () => {
        const kept = await keep([Buffer.from('kept')])
        const run = await startRun(storage)
        for (const part of [0, 1]) await storage.writeBody(run, part, Buffer.from('part'))
        await storage.keepSnapshot(run, null, KEEP)
        expect(await read(run.id)).toEqual([])
        expect(await ids()).toEqual([kept])
        expect(await read(kept)).toEqual([Buffer.from('kept')])
      })

      it('leave nothing of a run that broke off, once the next one is opened', async () => {
        const kept = await keep([Buffer.from('kept')])
        const run = await startRun(storage)
        await storage.writeBody(run, 0, Buffer.from('left'))
        const other = await startRun(storage, 'other')
        await storage.writeBody(other, 0, Buffer.from('under way'))
        await storage.releaseLease(run.lease)
        await startRun(storage)
        expect(await read(run.id)).toEqual([])
        expect(await read(kept)).toEqual([Buffer.from('kept')])
        expect(await read(other.id)).toEqual([Buffer.from('under way')])
      })
    })

    describe('leases', () => {
      it('are no longer than was asked for, whatever is done under them', async () => {
        const lease = (await storage.takeLease('source:demo', 'a', 10_000))!
        const run = await storage.openRun('demo', lease)
        await storage.write(run, [makeEvent(1)])
        await endRun(storage, run)
        const { now, leases } = await storage.agenda()
        expect(leases.find(({ name }) => name === lease.name)!.expires - now).toBeLessThanOrEqual(10_000)
      })

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
        const lease = (await storage.takeLease('job', 'a', 60_000))!
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
      const seen = async () => ({
        events: await find(storage),
        revision: await storage.revision(),
        rejects: (await storage.rejects('demo', { limit: 10 })).items,
        sources: await storage.sources(),
        runs: (await storage.runs('demo', { limit: 10 })).items,
        totals: await storage.runTotals(),
        changes: await storage.changeTotals(),
        counts: await storage.countEvents(),
        snapshots: await storage.snapshots('demo')
      })
      const raw = { reason: 'r', path: '/', raw: 'raw', event_id: null }
      const snapshot = { digest: 'd', charset: null, bytes: 4 }
      const keep = { count: 1, bytes: 1000 }
      const circuit = { failures: 9, retry_at: null }
      /** Everything that a run can call. */
      const calls: [string, (run: OpenRun) => Promise<unknown>][] = [
        ['write', (run) => storage.write(run, [makeEvent(1, { title: 'Stale' }), makeEvent(3)])],
        ['write of what is not listed', (run) => storage.write(run, [makeEvent(3)], { listed: false })],
        ['write of pieces', (run) => storage.write(run, [makeEvent(2)], { pieces: new Map([[makeEvent(2).id, 'p']]) })],
        ['meet', (run) => storage.meet(run, [makeEvent(1).id])],
        ['findPieces', (run) => storage.findPieces(run, [{ digest: 'kept', ids: [makeEvent(1).id] }])],
        [
          'writeRejects',
          (run) =>
            storage.writeRejects(
              run,
              [
                { ...raw, path: '/stale' },
                { ...raw, raw: 'stale' }
              ],
              1
            )
        ],
        ['deleteRejects', (run) => storage.deleteRejects(run, [rejectId('demo', raw)])],
        ['missing', (run) => storage.missing(run, '2024-01-01T00:00:00Z')],
        ['delist', (run) => storage.delist(run, [1, 2])],
        ['writeBody', (run) => storage.writeBody(run, 0, Buffer.from('stale'))],
        ['keepSnapshot', (run) => storage.keepSnapshot(run, snapshot, keep)],
        ['keepSnapshot of none', (run) => storage.keepSnapshot(run, null, keep)],
        ['closeRun', (run) => endRun(storage, run, { state: { etag: 'stale' }, circuit, readWhole: true })],
        ['openRun', (run) => storage.openRun('demo', run.lease)]
      ]

      it('refuses everything from a run whose lease was taken over', async () => {
        const first = await startRun(storage)
        const pieces = new Map([[makeEvent(1).id, 'kept']])
        await storage.write(first, [makeEvent(1), makeEvent(2)], { pieces })
        await storage.writeRejects(first, [raw], 10)
        await storage.writeBody(first, 0, Buffer.from('kept'))
        await storage.keepSnapshot(first, snapshot, keep)
        await endRun(storage, first)
        const lease = (await storage.takeLease('source:demo', 'stopped', 60_000))!
        const stale = await storage.openRun('demo', lease)
        await shiftTimes(driver, store.options, -61_000)
        const successor = await startRun(storage)
        await storage.write(successor, [makeEvent(1, { title: 'Newer' }), makeEvent(2)])
        const before = await seen()
        expect(before).toMatchObject({ events: { length: 2 }, rejects: { length: 1 }, snapshots: { length: 1 } })

        for (const [name, call] of calls) await expect(call(stale), name).rejects.toThrow(LeaseLost)

        expect(await seen()).toEqual(before)
        expect(stale.met.size).toBe(0)
        const parts: string[] = []
        for await (const part of storage.readBody(first.id)) parts.push(Buffer.from(part).toString())
        for await (const part of storage.readBody(stale.id)) parts.push(Buffer.from(part).toString())
        expect(parts).toEqual(['kept'])
        await endRun(storage, successor)
      })

      it('refuses everything from a run whose lease was given back', async () => {
        const run = await startRun(storage)
        await storage.releaseLease(run.lease)
        for (const [name, call] of calls) await expect(call(run), name).rejects.toThrow(LeaseLost)
        expect(await find(storage)).toEqual([])
      })
    })
  })
}
