import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Value } from '@sinclair/typebox/value'
import fastify from 'fastify'
import { inject } from 'vitest'
import { eventId } from '../../plugins/ingest/check.ts'
import { readFolder } from '../../plugins/kit/folder.ts'
import type { OpenRun, RunEnd, Storage } from '../../storage/kit/contract.ts'
import type { StoragePlugin } from '../../storage/kit/define.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import type { Run, RunKind } from '../../storage/kit/run.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import { startMongodb } from '../mongodb-server.ts'

export const DRIVERS = await readFolder<StoragePlugin>(new URL('../../storage/', import.meta.url))

interface Made {
  options: Record<string, unknown>
  remove(): Promise<void>
}

/** Settings of an empty store of its own for each call. A driver that is not named here is tested with its defaults. */
const SETTINGS: Record<string, (isApart: boolean) => Promise<Made>> = {
  async sqlite() {
    const folder = await mkdtemp(join(tmpdir(), 'event-service-'))
    return { options: { path: join(folder, 'events.db'), cache_mb: 4 }, remove: () => rm(folder, { recursive: true }) }
  },
  async mongodb(isApart) {
    const shared = inject('mongodb')
    if ('reason' in shared) throw new Error(shared.reason)
    const server = isApart && !process.env.EVENTS_TEST_MONGODB_URL ? await startMongodb() : undefined
    const database = `test-${randomUUID()}`
    const uri = withAppName((server ?? shared).url, database)
    return { options: { uri, database }, remove: async () => server?.stop() }
  }
}

/** So that a test can have the server fail for its own store alone. */
function withAppName(url: string, name: string): string {
  const separator = url.includes('?') ? '&' : /\/\/[^/]*\//.test(url) ? '?' : '/?'
  return `${url}${separator}appName=${name}`
}

export function whyNot(driver: string): string | undefined {
  const server = inject('mongodb')
  return driver === 'mongodb' && 'reason' in server ? server.reason : undefined
}

export interface TestStore {
  /** Settings as they would stand in the driver's section. */
  options: Record<string, unknown>
  storage: Storage
  /** Another process on the same store; `isReader`: one that only answers requests. */
  open(isReader?: boolean): Promise<Storage>
  close(): Promise<void>
}

/**
 * A migrated, empty store.
 * @param isApart on a server that answers nobody else, for what must not wait behind the many commands of other tests
 */
export async function createStore(driver: string, { isApart = false } = {}): Promise<TestStore> {
  const plugin = DRIVERS.get(driver)!
  const made = await SETTINGS[driver]?.(isApart)
  const options = { ...(Value.Default(plugin.options, {}) as object), ...made?.options }
  const apps: { close(): PromiseLike<unknown> }[] = []
  async function open(isReader = false): Promise<Storage> {
    const app = fastify()
    apps.push(app)
    await app.register(plugin, { options, isReader })
    await app.storage.migrate()
    return app.storage
  }
  return {
    options,
    storage: await open(),
    open,
    async close() {
      for (const app of apps) await app.close()
      await made?.remove()
    }
  }
}

/** A run of a source under a lease of its own. */
export async function startRun(storage: Storage, source = 'demo', kind?: RunKind, id?: string): Promise<OpenRun> {
  const lease = await storage.takeLease(`source:${source}`, randomUUID(), 60_000)
  if (lease === null) throw new Error(`the lease of ${source} is held`)
  return storage.openRun(source, lease, kind, id)
}

/** As a complete one, unless it says otherwise. */
export async function endRun(storage: Storage, run: OpenRun, end: Partial<RunEnd> = {}): Promise<Run> {
  const closed = await storage.closeRun(run, {
    outcome: 'complete',
    reason: null,
    detail: null,
    counts: NO_COUNTS,
    ...end
  })
  await storage.releaseLease(run.lease)
  return closed
}

/** As after a complete snapshot that is believed. */
export async function delistMissing(storage: Storage, run: OpenRun): Promise<number> {
  return storage.delist(run, (await storage.missing(run, '2024-01-01T00:00:00Z')).all)
}

/** One whole run over these events; `complete` delists the others. */
export async function ingest(storage: Storage, events: EventContent[], { complete = true, source = 'demo' } = {}) {
  const run = await startRun(storage, source)
  const counts = await storage.write(run, events)
  const delisted = complete ? await delistMissing(storage, run) : 0
  await endRun(storage, run, { counts: { ...NO_COUNTS, ...counts } })
  return { ...counts, delisted }
}

/** An event of an hour from `start`, in UTC unless it says otherwise. */
export function makeEvent(number: number, changes: Partial<EventContent> = {}): EventContent {
  const source = changes.source ?? 'demo'
  const start = changes.start_date ?? `2024-05-${String((number % 28) + 1).padStart(2, '0')}T20:00:00`
  const end = changes.end_date === undefined ? `${start.slice(0, 11)}21:00:00` : changes.end_date
  const record = { base_event_id: `b${number}`, event_id: `e${number}` }
  return {
    id: eventId(source, record as Parameters<typeof eventId>[1])!,
    source,
    ...record,
    title: `Event ${number}`,
    sell_mode: 'online',
    organizer_company_id: null,
    start_date: start,
    end_date: end,
    timezone: 'UTC',
    starts_at: `${start}Z`,
    ends_at: end === null ? null : `${end}Z`,
    sell_from: null,
    sell_to: null,
    sold_out: false,
    min_price: 10,
    max_price: 12.5,
    zones: [
      { zone_id: '1', name: 'Platea', capacity: 10, price: 12.5, numbered: true },
      { zone_id: '1', name: 'Pit "ñ" 🎭', capacity: 0, price: 10, numbered: false }
    ],
    ...changes
  }
}
