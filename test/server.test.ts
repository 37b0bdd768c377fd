import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, inject, it } from 'vitest'
import { preload } from './hazards/kit/fleet.ts'
import { ask } from './load.ts'
import { type Provider, startProvider } from './provider.ts'
import {
  createGate,
  events,
  ingested,
  live,
  ready,
  SAMPLE,
  type Service,
  source,
  status,
  until,
  useServices
} from './service.ts'
import { whyNot } from './storage/fixtures.ts'
import { takePort } from './take-port.ts'

const { run, path } = useServices()
const acceptedBy = (service: Service) => service.output().match(/^accepted /gm)?.length ?? 0

describe('the process', () => {
  it('serves and ingests with both roles, and goes at SIGTERM and at SIGINT with code 0', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const service = await run(source(`file:${SAMPLE}`))
      await live(service)
      await ingested(service, 3)
      await ready(service)
      service.process.kill(signal)
      expect(await service.exit).toBe(0)
      expect(service.output()).toContain('"msg":"stopped"')
    }
  })

  it('goes with the npm that it was started by', async () => {
    const port = String(await takePort())
    await writeFile(path('config.ini'), source(`file:${SAMPLE}`))
    const npm = spawn('npm', ['start'], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { PATH: process.env.PATH, EVENTS_CONFIG: path('config.ini'), EVENTS_SERVER_PORT: port },
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const output = text(npm.stdout)
    await until(async () => (await status(`http://127.0.0.1:${port}/livez`)) === 200)
    npm.kill('SIGTERM')
    // It has its end when nobody is left who may write to it.
    expect(await output).toContain('"msg":"stopped"')
  })

  it('says all that is wrong with its configuration, opens nothing, and exits with code 2', async () => {
    const service = await run('[server]\nport = none\nstorage = oracle\n', {
      EVENTS_SERVER_PORT: 'x',
      EVENTS_NONSENSE: '1'
    })
    expect(await service.exit).toBe(2)
    for (const part of ['[server] port: got "x"', '[server] storage: got "oracle"', '[environment] EVENTS_NONSENSE']) {
      expect(service.output()).toContain(part)
    }
    expect(service.output()).not.toContain('    at ')
  })

  it('says which SQLite file it cannot use, and exits with code 1', async () => {
    await writeFile(path('notes.txt'), 'not a database '.repeat(100))
    const service = await run('[sqlite]\npath = notes.txt\n')
    expect(await service.exit).toBe(1)
    expect(service.output()).toContain(path('notes.txt'))
    expect(service.output()).not.toContain('    at ')
  })

  it('says that its port is taken, and exits with code 1', async () => {
    const first = await run('')
    await live(first)
    const second = await run('', { EVENTS_SERVER_PORT: new URL(first.url).port })
    expect(await second.exit).toBe(1)
    expect(second.output()).toContain('set [server] host and port to what can be listened on')
  })

  it('killed in the middle of a run, converges at the next start, not only at its next cron', async () => {
    const provider = await startProvider()
    provider.serve((_request, response) => {
      response.writeHead(200)
      response.write('<eventList><output>')
    })
    const config = `${source(provider.url)}cron = 0 3 1 1 *\n`
    const first = await run(config)
    await until(async () => provider.requests.length === 1)
    await until(async () => {
      const { data } = (await (await fetch(`${first.url}/v1/api/sources/demo/runs`)).json()) as { data: object[] }
      return data.length === 1
    })
    first.process.kill('SIGKILL')
    expect(await first.exit).toBe('SIGKILL')
    provider.serve(await readFile(SAMPLE))
    const second = await run(config)
    await live(second)
    await until(async () => (await events(second)).length === 3, 30_000)
    // Its events are there a moment before its end is recorded.
    const runs = await until(async () => {
      const { data } = (await (await fetch(`${second.url}/v1/api/sources/demo/runs`)).json()) as {
        data: { outcome: string | null }[]
      }
      return data[0]!.outcome !== null && data
    })
    expect(runs).toMatchObject([{ outcome: 'complete' }, { outcome: 'aborted', reason: 'abandoned' }])
    await provider.close()
  })

  it('runs its roles in two processes on one SQLite file', async () => {
    const api = await run(source(`file:${SAMPLE}`), { EVENTS_SERVER_ROLES: 'api' })
    await live(api)
    expect(await events(api)).toEqual([])
    const ingest = await run(source(`file:${SAMPLE}`), { EVENTS_SERVER_ROLES: 'ingest' })
    await live(ingest)
    await ingested(api, 3)
    expect(await status(`${ingest.url}/v1/api/events`)).toBe(404)
    expect(await status(`${ingest.url}/readyz`)).toBe(200)
    for (const service of [api, ingest]) {
      service.process.kill('SIGTERM')
      expect(await service.exit).toBe(0)
    }
  })
})

describe('stopping', () => {
  let provider: Provider
  beforeEach(async () => {
    provider = await startProvider()
    return () => provider.close()
  })

  it('finishes requests, aborts and records runs, and waits for no client: under 10 s', async () => {
    provider.serve((_request, response) => {
      response.writeHead(200)
      response.write('<eventList><output>')
    })
    const service = await run(source(provider.url), { NODE_OPTIONS: preload('note-accepted') })
    await live(service)
    await until(async () => provider.requests.length === 1)
    const port = Number(new URL(service.url).port)
    const halfOpen = connect(port, '127.0.0.1')
    halfOpen.on('error', () => undefined)
    halfOpen.write('GET /v1/api/events HTTP/1.1\r\nHost: x\r\nX-Half: ')
    await once(halfOpen, 'connect')
    await until(() => service.output().includes(`accepted ${halfOpen.localPort}\n`))
    // Accepted before the signal: each must be answered.
    const before = acceptedBy(service)
    const failed = Promise.all(Array.from({ length: 20 }, () => ask(`${service.url}/v1/api/events`, false)))
    await until(() => acceptedBy(service) >= before + 20)
    const started = performance.now()
    service.process.kill('SIGTERM')
    expect((await failed).filter((failure) => failure !== undefined)).toEqual([])
    expect(await service.exit).toBe(0)
    expect(performance.now() - started).toBeLessThan(10_000)
    halfOpen.destroy()
    expect(service.output()).toContain('"outcome":"aborted"')
  })
})

describe.skipIf(whyNot('mongodb') !== undefined)('with MongoDB', () => {
  it('that is not there at the start: it lives, is not ready, says so, and recovers by itself; and again later', async () => {
    const gate = await createGate(new URL((inject('mongodb') as { url: string }).url))
    const service = await run(source(`file:${SAMPLE}`), {
      EVENTS_SERVER_STORAGE: 'mongodb',
      EVENTS_MONGODB_PORT: String(gate.port),
      EVENTS_MONGODB_DATABASE: `test-${process.pid}-${Date.now()}`
    })
    await live(service)
    const notReady = await fetch(`${service.url}/readyz`)
    expect(notReady.status).toBe(503)
    expect(notReady.headers.get('retry-after')).toBe('5')
    expect(await notReady.json()).toMatchObject({ code: 'storage_unavailable', status: 503 })
    const list = await fetch(`${service.url}/v1/api/events`)
    expect(list.status).toBe(503)
    expect(await list.text()).not.toMatch(/Mongo|ECONN|127\.0\.0\.1/)
    await until(async () => service.output().includes('the storage cannot be read'))

    await gate.open()
    await ingested(service, 3)
    expect(await status(`${service.url}/readyz`)).toBe(200)

    await gate.close()
    await until(async () => (await status(`${service.url}/readyz`)) === 503)
    expect(await status(`${service.url}/livez`)).toBe(200)
    await gate.open()
    await until(async () => (await status(`${service.url}/readyz`)) === 200)
    expect(await events(service)).toHaveLength(3)
    service.process.kill('SIGTERM')
    expect(await service.exit).toBe(0)
    await gate.close()
  })
})
