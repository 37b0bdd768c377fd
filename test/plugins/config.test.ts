import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { TObject } from '@sinclair/typebox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AdapterPlugin } from '../../adapters/kit/define.ts'
import { ConfigError } from '../../plugins/config/load.ts'
import { AlertsSection, ServerSection, SourceSection } from '../../plugins/config/schema.ts'
import { readConfig } from '../../plugins/config.ts'
import { readFolder } from '../../plugins/kit/folder.ts'
import { DRIVERS } from '../storage/fixtures.ts'

const ADAPTERS = await readFolder<AdapterPlugin>(new URL('../../adapters/', import.meta.url))

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'event-service-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function read(text: string, env: Record<string, string> = {}) {
  const file = join(folder, 'config.ini')
  await writeFile(file, text)
  return readConfig({ EVENTS_CONFIG: file, ...env })
}
async function problemsOf(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const error = await read(text, env).then(
    () => undefined,
    (error: unknown) => error
  )
  if (!(error instanceof ConfigError)) throw error ?? new Error('the configuration was accepted')
  return error.problems.map(({ section, key, message }) => `[${section}] ${key}: ${message}`)
}
const SOURCE = '[source.demo]\nadapter = provider-xml\nurl = http://provider.example/feed.xml\n'

describe('config.ini', () => {
  it('is the reference: every key is there with its default', async () => {
    const text = await readFile(new URL('../../config.ini', import.meta.url), 'utf8')
    const section = (name: string) => text.split(/^\[/m).find((part) => part.startsWith(`${name}]`)) ?? ''
    const drivers = [...DRIVERS].map(([name, plugin]): [string, TObject] => [name, plugin.options])
    const source: [string, TObject][] = [SourceSection, ...[...ADAPTERS.values()].map(({ options }) => options)].map(
      (schema) => ['source.demo', schema]
    )
    const ours: [string, TObject][] = [
      ['server', ServerSection],
      ['alerts', AlertsSection]
    ]
    for (const [name, schema] of [...ours, ...drivers, ...source]) {
      for (const [key, { default: value }] of Object.entries(schema.properties)) {
        // `timezone` is set in the sample, so its comment says what the default is.
        const shown =
          key === 'timezone' ? 'Default: UTC' : value === undefined ? `${key} = ` : `${key} = ${value}`.trimEnd()
        expect(section(name).split(/^;?/m).join('\n'), `[${name}] ${key}`).toContain(shown)
      }
    }
  })

  it('is usable as it is, with the bundled samples', async () => {
    const config = await readConfig({})
    const samples = config.sources.filter((source) => source.name.startsWith('demo'))
    expect(samples).toHaveLength(3)
    for (const source of samples) await readFile(fileURLToPath(source.url))
  })
})

describe('configuration', () => {
  it('fills in defaults', async () => {
    const config = await read(SOURCE)
    expect(config.server).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      storage: 'sqlite',
      log_level: 'info',
      workers: 1
    })
    expect([...config.server.roles]).toEqual(['api', 'ingest'])
    expect(config.storage).toEqual({ path: join(folder, 'data/events.db'), cache_mb: 8 })
    expect(config.sources).toEqual([
      {
        name: 'demo',
        adapter: 'provider-xml',
        url: 'http://provider.example/feed.xml',
        cron: '*/5 * * * *',
        cron_timezone: 'UTC',
        run_at_start: true,
        timezone: 'UTC',
        enabled: true,
        allow_private: false,
        timeout: 600,
        max_mb: 2000,
        backoff_base: 5,
        backoff_cap: 900,
        retry_after_cap: 3600,
        vanish_guard: true,
        vanish_percent: 20,
        vanish_count: 5,
        max_rejects: 1000,
        keep_snapshots: 5,
        keep_mb: 50,
        options: { max_depth: 32, max_attributes: 64, max_name: 1000, max_field: 65_536, max_record: 1_048_576 }
      }
    ])
  })

  it('takes the environment before the file, and __FILE before both', async () => {
    const secret = join(folder, 'secret')
    await writeFile(secret, 'from-a-file\n')
    const text =
      '[server]\nport = 1\nstorage = mongodb\n[mongodb]\npassword = from-ini\nusername = a\n[source.my-demo]\nadapter = provider-xml\nurl = file:a.xml\n'
    const config = await read(text, {
      EVENTS_SERVER_PORT: '2',
      EVENTS_MONGODB_PASSWORD: 'from-env',
      EVENTS_MONGODB_PASSWORD__FILE: secret,
      EVENTS_SOURCE_MY_DEMO_URL: 'https://provider.example/x',
      EVENTS_SOURCE_MY_DEMO_ENABLED: 'false'
    })
    expect(config.server.port).toBe(2)
    expect(config.storage).toMatchObject({ password: 'from-a-file', username: 'a' })
    expect(config.sources[0]).toMatchObject({ name: 'my-demo', url: 'https://provider.example/x', enabled: false })
  })

  it('picks the storage by one field, from the environment alone if need be', async () => {
    expect((await read(SOURCE, { EVENTS_SERVER_STORAGE: 'mongodb' })).storage).toMatchObject({
      port: 27017,
      database: 'events'
    })
  })

  it('makes a number of workers = auto', async () => {
    const config = await read(SOURCE, { EVENTS_SERVER_WORKERS: 'auto' })
    expect(config.server.workers).toBe(availableParallelism())
  })

  it('takes paths from where the file is', async () => {
    const config = await read('[sqlite]\npath = x/y.db\n[source.a]\nadapter = provider-xml\nurl = file:feeds/a.xml\n')
    expect(config.storage.path).toBe(join(folder, 'x/y.db'))
    expect(config.sources[0]!.url).toBe(pathToFileURL(join(folder, 'feeds/a.xml')).href)
  })

  it('reports all problems at once, with section, key, value and what is allowed', async () => {
    const text = `
      outside = 1
      [server]
      port = 99999
      storage = oracle
      roles = everything
      colour = blue
      [sqlite]
      cache_mb = lots
      [nonsense]
      a = 1
      [source.demo]
      adapter = json
      url = ftp://user:hunter2@provider.example/
      cron = every day
      timezone = Mars/Olympus
      enabled = yes
      timeout = 80.9
      max_mb = 0x10
      [source.UPPER]
      adapter = provider-xml
      url = file:a.xml
      [source.bare]`.replaceAll(/^ +/gm, '')
    const sections = [...DRIVERS.keys()].map((name) => `[${name}]`).join(', ')
    const problems = await problemsOf(text, { EVENTS_SERVER_PROT: '1', EVENTS_SOURCE_NOBODY_URL: 'http://x' })
    expect(problems.sort()).toEqual(
      [
        '[(none)] outside: it stands before the first [section]',
        '[server] port: got "99999"; allowed: a whole number from 0 to 65535',
        `[server] storage: got "oracle"; allowed: ${[...DRIVERS.keys()].join(' | ')}`,
        '[server] roles: got "everything"; allowed: api | ingest | api,ingest',
        '[server] colour: there is no such key; allowed: host, port, storage, roles, workers, log_level, admin_token, cache_mb, rate_limit, trust_proxy, overload_ms, cors_origins, history_days, ingest_heap_mb',
        '[sqlite] cache_mb: got "lots"; allowed: a whole number from 1 to 4096',
        `[nonsense] (section): there is no such section; allowed: [server], [alerts], ${sections}, [source.NAME]`,
        `[source.demo] adapter: got "json"; allowed: ${[...ADAPTERS.keys()].join(' | ')}`,
        '[source.demo] url: got "ftp://***@provider.example/"; allowed: http://… | https://… | file:path',
        '[source.demo] cron: got "every day"; allowed: a cron expression of five fields, or six with seconds first',
        '[source.demo] timezone: got "Mars/Olympus"; allowed: an IANA time zone, as Europe/Madrid',
        '[source.demo] enabled: got "yes"; allowed: true | false',
        '[source.demo] timeout: got "80.9"; allowed: a whole number from 1 to 86400',
        '[source.demo] max_mb: got "0x10"; allowed: a whole number from 1 to 100000',
        '[source.UPPER] (name): a source is named with a-z, 0-9, - and _, at most 63 of them',
        '[source.bare] adapter: it is missing; allowed: the name of a file in adapters/',
        '[source.bare] url: it is missing; allowed: http://… | https://… | file:path',
        '[environment] EVENTS_SERVER_PROT: it is not a key of any section of the file',
        '[environment] EVENTS_SOURCE_NOBODY_URL: it is not a key of any section of the file'
      ].sort()
    )
  })

  it('never shows a secret', async () => {
    const problems = await problemsOf('[mongodb]\nuri = http://user:hunter2@host/\nport = x\n')
    expect(problems.join()).toContain(
      '[mongodb] uri: got a value that is not shown; allowed: mongodb://… | mongodb+srv://…'
    )
    expect(problems.join()).not.toContain('hunter2')
  })

  it('refuses what is given twice, a source without a name, and a URL that cannot be used', async () => {
    const text =
      '\uFEFF[server]\nport = 1\nport = 2\n[source]\nadapter = provider-xml\n[source.a]\nadapter = provider-xml\n' +
      'url = http://user:100%@host/?key=K\n[source.b]\nadapter = provider-xml\nurl = file:b.xml\n'
    expect(await problemsOf(text)).toEqual([
      '[server] port: it is given more than once',
      "[source] adapter: a source's section is [source.NAME]",
      '[source.a] url: got "http://***@host/?***"; allowed: http://… | https://… | file:path'
    ])
  })

  it('takes a receiver of alerts with a secret alone, and shows neither', async () => {
    const text = '[alerts]\nurl = https://hooks.example/T0/S3CRET?key=K\nsecret = 0123456789abcdef\nfailures = 5\n'
    expect((await read(text)).alerts).toEqual({
      url: 'https://hooks.example/T0/S3CRET?key=K',
      secret: '0123456789abcdef',
      failures: 5,
      timeout: 10,
      allow_private: false
    })
    expect((await read('[alerts]\n')).alerts.url).toBe('')
    const secret = 'ASCII without blanks, at least 16 characters, best 32 random ones or more'
    expect(await problemsOf('[alerts]\nurl = https://hooks.example/\n')).toEqual([
      `[alerts] secret: it is missing, as there is a url; allowed: ${secret}`
    ])
    expect(await problemsOf('[alerts]\nurl = file:S3CRET\nsecret = short\nfailures = 0\ntimeout = 61\n')).toEqual([
      '[alerts] url: got a value that is not shown; allowed: http://… | https://…, or nothing',
      `[alerts] secret: got a value that is not shown; allowed: ${secret}`,
      '[alerts] failures: got "0"; allowed: a whole number from 1 to 1000',
      '[alerts] timeout: got "61"; allowed: a whole number from 1 to 60'
    ])
  })

  it('says which file it cannot read', async () => {
    await expect(readConfig({ EVENTS_CONFIG: join(folder, 'none.ini') })).rejects.toThrow(
      /none\.ini: it cannot be read/
    )
    const [problem] = await problemsOf('[mongodb]\n', { EVENTS_MONGODB_PASSWORD__FILE: join(folder, 'none') })
    expect(problem).toMatch(/^\[mongodb\] password: EVENTS_MONGODB_PASSWORD__FILE names a file that cannot be read/)
  })

  it('refuses two sources that the environment cannot tell apart', async () => {
    const text = `${SOURCE.replace('demo', 'a-b')}\n${SOURCE.replace('demo', 'a_b')}`
    expect(await problemsOf(text)).toEqual([
      '[source.a_b] (name): it has the same environment variables as [source.a-b]: rename one'
    ])
  })
})
