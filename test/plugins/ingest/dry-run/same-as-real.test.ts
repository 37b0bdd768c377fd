import { hash, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FormatRegistry } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../../bench/kit/random.ts'
import { type DryRunResult, DryRunResultSchema } from '../../../../plugins/ingest/dry-run/result.ts'
import { type Event, EventContentSchema } from '../../../../storage/kit/event.ts'
import { ask } from '../../../ask.ts'
import { isFull, recordHazard } from '../../../hazards/record.ts'
import { createApp, type TestApp } from '../../../helper.ts'
import { type Provider, startProvider } from '../../../provider.ts'
import { dumpStore } from '../../../storage/dump.ts'
import { DRIVERS, startRun, whyNot } from '../../../storage/fixtures.ts'
import { createRandomSource } from './random-source.ts'

FormatRegistry.Set('uuid', (text) => /^[0-9a-f-]{36}$/.test(text))
FormatRegistry.Set('date-time', (text) => !Number.isNaN(Date.parse(text)))

const FIELDS = Object.keys(EventContentSchema.properties) as (keyof Event)[]

interface Size {
  sequences: number
  versions: number
  bases: number
}
const SMALL: Size = { sequences: isFull ? 20 : 3, versions: 8, bases: 30 }
/** More than one batch. */
const LARGE: Size = { sequences: isFull ? 100 : 3, versions: 8, bases: 1000 }

const START = { created: 0, updated: 0, restored: 0, delisted: 0, withheld: 0, rejected: 0, duplicates: 0 }

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`a dry run on ${driver}`, () => {
    it('says what the run after it does, and writes nothing', { timeout: 600_000 }, async ({ task }) => {
      const provider = await startProvider()
      const { sequences, versions, bases } = SMALL
      const met = await compare(driver, SMALL, provider.url, (document) => serve(provider, document))
      await provider.close()
      recordHazard(task, {
        hazard: `dry runs of ${sequences} × ${versions} feeds of ${bases} base elements on ${driver}, each before the run itself`,
        expected: 'says what it does, writes nothing',
        figure: `differences 0, changes ${sum(met)}`
      })
    })
  })
}

it('says what the run after it does, of feeds of several batches with repetitions', { timeout: 600_000 }, async ({
  task
}) => {
  // In chunks that are the same each time: on them it depends whether a repetition or a change is counted.
  const folder = await mkdtemp(join(tmpdir(), 'event-service-'))
  const file = join(folder, 'feed.xml')
  const { sequences, versions, bases } = LARGE
  const met = await compare('sqlite', LARGE, pathToFileURL(file).href, (document) => writeFile(file, document))
  await rm(folder, { recursive: true })
  recordHazard(task, {
    hazard: `dry runs of ${sequences} × ${versions} feeds of ${bases} base elements, in several batches, with repetitions`,
    expected: 'says what it does, writes nothing',
    figure: `differences 0, changes ${sum(met)}`
  })
  expect(met.duplicates).toBeGreaterThan(sequences * versions)
})

/** A dry run and a run of one version after the other. */
async function compare(
  driver: string,
  { sequences, versions, bases }: Size,
  url: string,
  serve: (document: string) => void | Promise<void>
): Promise<typeof START> {
  const met = { ...START }
  const outcomes = new Set<string>()
  for (let seed = 1; seed <= sequences; seed++) {
    const random = createRandom(seed)
    const guard = { vanish_guard: seed % 4 !== 0, vanish_count: Math.round(bases / 25) }
    const service = await createApp({ driver, sources: { demo: { url, cron: '0 0 29 2 *', ...guard } } })
    const { storage } = service.app
    const next = createRandomSource(bases, random)
    for (let version = 1; version <= versions; version++) {
      const context = `seed ${seed}, version ${version}`
      await serve(next())
      if (random(8) === 0) await leaveOpenRun(service)
      const [dump, before] = [await dumpStore(service.app), await eventsOf(service)]
      const dry = await dryRun(service)
      const dumpAfter = await dumpStore(service.app)
      for (const table of Object.keys(dumpAfter)) expect(dumpAfter[table], `${context}: ${table}`).toEqual(dump[table])
      const run = await service.ingest('demo')

      expect(summary(dry), context).toEqual(summary(run))
      expect([...Value.Errors(DryRunResultSchema, dry)].slice(0, 1), context).toEqual([])
      compareChanges(dry, before, await eventsOf(service), context)
      const { suspicion } = (await storage.sources())[0]!
      expect(dry.changes.withheld.total, context).toBe(run.outcome === 'suspicious' ? suspicion!.missing : 0)
      const rejects = (await storage.rejects('demo', { limit: 1000 })).items.filter(({ run_id }) => run_id === run.id)
      const places = (items: { reason: string; path: string }[]) => items.map(({ reason, path }) => `${reason} ${path}`)
      expect(places(dry.changes.rejected.items), context).toEqual(expect.arrayContaining(places(rejects)))
      for (const kind of Object.keys(met) as (keyof typeof met)[]) {
        met[kind] += kind === 'duplicates' ? dry.counts.duplicates : dry.changes[kind].total
      }
      outcomes.add(`${dry.outcome} ${dry.reason}`)
    }
    await service.close()
  }
  // So that there was something to say.
  for (const [kind, count] of Object.entries(met)) expect(count, kind).toBeGreaterThan(0)
  expect([...outcomes]).toEqual(expect.arrayContaining(['complete null', 'unchanged null', 'suspicious vanished']))
  return met
}

const sum = (met: typeof START) => Object.values(met).reduce((total, count) => total + count, 0)

/** With a validator. */
function serve(provider: Provider, document: string): void {
  const etag = `"${hash('sha1', document)}"`
  provider.serve((request, response) => {
    const isKnown = request.headers['if-none-match'] === etag
    response.writeHead(isKnown ? 304 : 200, { etag }).end(isKnown ? '' : document)
  })
}

/** As of a process that died. */
async function leaveOpenRun({ app }: TestApp): Promise<void> {
  const { lease } = await startRun(app.storage)
  await app.storage.releaseLease(lease)
}

async function dryRun({ app }: TestApp): Promise<DryRunResult> {
  const lease = (await app.storage.takeLease('source:demo', randomUUID(), 60_000))!
  try {
    const context = { lease, log: app.log, signal: new AbortController().signal }
    return await app.ingest.dryRun(app.sources.list[0]!, context)
  } finally {
    await app.storage.releaseLease(lease)
  }
}

const eventsOf = async (service: TestApp) => {
  const events = new Map<string, Event>()
  for await (const event of service.app.storage.stream(ask())) events.set(event.id, event)
  return events
}

function summary({
  outcome,
  reason,
  detail,
  counts
}: Pick<DryRunResult, 'reason' | 'detail' | 'counts'> & { outcome: unknown }) {
  const { duration: _duration, ...others } = counts
  return { outcome, reason, detail, counts: others }
}

/** What is shown of the changes against what the storage had and has. */
function compareChanges(
  { changes }: DryRunResult,
  before: Map<string, Event>,
  after: Map<string, Event>,
  context: string
) {
  const expected: Record<string, string[]> = { created: [], updated: [], restored: [], delisted: [] }
  for (const [id, event] of after) {
    const old = before.get(id)
    const differs = old !== undefined && FIELDS.some((field) => !isEqual(old[field], event[field]))
    if (old === undefined) expected.created!.push(id)
    else if (old.status === 'delisted' && event.status === 'listed') expected.restored!.push(id)
    else if (old.status === 'listed' && event.status === 'delisted') expected.delisted!.push(id)
    else if (differs) expected.updated!.push(id)
  }
  for (const [kind, ids] of Object.entries(expected)) {
    const { total, has_more, items } = changes[kind as 'created']
    expect(total, `${context}: ${kind}`).toBe(ids.length)
    expect(has_more).toBe(items.length < total)
    expect(items.length).toBeGreaterThan(total === 0 ? -1 : 0)
    expect(ids, `${context}: ${kind}`).toEqual(expect.arrayContaining(items.map(({ id }) => id)))
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length)
  }
  for (const { is_cut, ...event } of changes.created.items)
    expect({ ...event, is_cut }).toMatchObject({ ...content(after.get(event.id)!), is_cut: false })
  for (const { id, fields, is_cut, ...shown } of [...changes.updated.items, ...changes.restored.items]) {
    const [old, now] = [before.get(id)!, after.get(id)!]
    expect(now).toMatchObject(shown)
    expect(is_cut).toBe(false)
    expect(
      fields.map(({ field }) => field),
      context
    ).toEqual(FIELDS.filter((field) => !isEqual(old[field], now[field])))
    for (const change of fields) {
      if (change.field === 'zones')
        compareZones(change as { old: Event['zones']; new: Event['zones'] }, old.zones, now.zones)
      else
        expect(change).toEqual({
          field: change.field,
          old: old[change.field as 'title'],
          new: now[change.field as 'title']
        })
    }
  }
}

/** The zones that are not shown are the same before and after; none is shown on both sides, unless their order is what changed. */
function compareZones(shown: { old: Event['zones']; new: Event['zones'] }, old: Event['zones'], now: Event['zones']) {
  const texts = (zones: Event['zones']) => zones.map((zone) => JSON.stringify(zone))
  const rest = (zones: string[], without: string[]) => {
    const left = [...zones]
    for (const zone of without) {
      expect(left).toContain(zone)
      left.splice(left.indexOf(zone), 1)
    }
    return left.sort()
  }
  expect(rest(texts(old), texts(shown.old))).toEqual(rest(texts(now), texts(shown.new)))
  const isReordered = isEqual(texts(old).sort(), texts(now).sort())
  const both = texts(shown.old).filter((zone) => texts(shown.new).includes(zone))
  expect(both).toEqual(isReordered ? texts(old) : [])
}

const content = (event: Event) => Object.fromEntries(FIELDS.map((field) => [field, event[field]]))
const isEqual = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
