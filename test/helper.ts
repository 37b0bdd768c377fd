import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { type AppOptions, buildApp } from '../app.ts'
import { readConfig } from '../plugins/config.ts'
import type { Event } from '../storage/kit/event.ts'
import type { Run } from '../storage/kit/run.ts'
import { createStore } from './storage/fixtures.ts'

export const feed = (name: string) => readFile(new URL(`feeds/${name}.xml`, import.meta.url), 'utf8')

export interface TestApp {
  app: FastifyInstance
  /** Runs a source now, and gives what was recorded of it. */
  ingest(source: string): Promise<Run>
  /** A GET, with the body parsed. */
  get(url: string): Promise<{ status: number; headers: Record<string, unknown>; body: Body }>
  /** A POST with the admin token, or another one. */
  post(url: string, token?: string): Promise<{ status: number; headers: Record<string, unknown>; body: Body }>
  /** Events of a query, whole. */
  events(query?: string): Promise<Event[]>
  close(): Promise<void>
}

/** What answers have in common, as far as tests look at it. */
export interface Body {
  data: (Event & Record<string, unknown>)[]
  page: { limit: number; next_cursor: string | null; has_more: boolean }
  meta: { revision: number; sources: { name: string; last_success_at: string | null; stale: boolean }[] }
  code: string
  detail: string
  parameter: string
  allowed: string
  errors: { parameter: string; detail: string; allowed: string }[]
  [key: string]: unknown
}

export interface TestAppOptions {
  /** A file of `storage/`. */
  driver?: string
  /** Keys of `[source.NAME]`, by name. */
  sources?: Record<string, Record<string, string | number | boolean>>
  server?: Record<string, string | number>
  alerts?: Record<string, string | number | boolean>
  /** Whether jobs run by themselves, too. */
  tick?: boolean
  ingest?: AppOptions['ingest']
  /** See `createStore`. */
  isApart?: boolean
}

const MOST_TRIES = 100

export const ADMIN_TOKEN = 'token-of-the-tests'

/** The whole service on an empty store of its own, configured as a file would. Jobs run when a test says so. */
export async function createApp({
  driver = 'sqlite',
  sources = {},
  server = {},
  alerts = {},
  tick = false,
  ingest,
  isApart = false
}: TestAppOptions = {}): Promise<TestApp> {
  const store = await createStore(driver, { isApart })
  const folder = await mkdtemp(join(tmpdir(), 'event-service-'))
  const sections: Record<string, object> = {
    server: { storage: driver, log_level: 'silent', admin_token: ADMIN_TOKEN, ...server },
    alerts: { allow_private: true, ...alerts },
    [driver]: store.options
  }
  for (const [name, keys] of Object.entries(sources)) {
    sections[`source.${name}`] = { adapter: 'provider-xml', allow_private: true, ...keys }
  }
  const file = join(folder, 'config.ini')
  await writeFile(file, toIni(sections))
  const config = await readConfig({ EVENTS_CONFIG: file })
  const app = await buildApp({ config, tick, ingest })
  await app.ready()

  async function ask(request: InjectOptions) {
    const response = await app.inject(request)
    const isJson = response.body !== '' && String(response.headers['content-type']).includes('json')
    return { status: response.statusCode, headers: response.headers, body: isJson ? response.json() : response.body }
  }
  const get = (url: string) => ask({ method: 'GET', url })
  return {
    app,
    get,
    post: (url, token = ADMIN_TOKEN) => ask({ method: 'POST', url, headers: { authorization: `Bearer ${token}` } }),
    async ingest(source) {
      // A command that was just done gives the lease back a moment after its end was told.
      for (let tries = 0; !(await app.jobs.run(`source:${source}`)); tries++) {
        if (tries === MOST_TRIES) throw new Error(`the job of ${source} did not run`)
        await sleep(50)
      }
      return (await app.storage.runs(source, { limit: 1 })).items[0]!
    },
    async events(query = 'sell_mode=any') {
      return (await get(`/v1/api/events?limit=1000&${query}`)).body.data
    },
    async close() {
      await app.close()
      await store.close()
      await rm(folder, { recursive: true })
    }
  }
}

function toIni(sections: Record<string, object>): string {
  const write = (keys: object) => Object.entries(keys).map(([key, value]) => `${key} = "${value}"\n`)
  return Object.entries(sections)
    .map(([name, keys]) => `[${name}]\n${write(keys).join('')}`)
    .join('\n')
}
