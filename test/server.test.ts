import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type Provider, startProvider } from './provider.ts'
import { whyNot } from './storage/fixtures.ts'

const SERVER = fileURLToPath(new URL('../server.ts', import.meta.url))
const SAMPLE = fileURLToPath(new URL('feeds/v2-snapshot-1.xml', import.meta.url))

interface Service {
  process: ChildProcess
  /** Once it listens. */
  url: string
  output(): string
  /** Code, or the signal that ended it. */
  exit: Promise<number | string>
}

let folder: string
const services: Service[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'event-service-'))
})
afterEach(async () => {
  for (const { process, exit } of services.splice(0)) {
    process.kill('SIGKILL')
    await exit
  }
  await rm(folder, { recursive: true, force: true })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** The real process, as `npm start` runs it. */
async function run(config: string, env: Record<string, string> = {}): Promise<Service> {
  const port = await freePort()
  const file = join(folder, 'config.ini')
  await writeFile(file, config)
  const child = spawn(process.execPath, [SERVER], {
    env: { PATH: process.env.PATH, EVENTS_CONFIG: file, EVENTS_SERVER_PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data))
  const exit = once(child, 'exit').then(([code, signal]) => code ?? signal)
  const service = { process: child, url: `http://127.0.0.1:${port}`, output: () => text, exit }
  services.push(service)
  return service
}

async function until<T>(check: () => Promise<T | false>, ms = 15_000): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const result = await check().catch(() => false as const)
    if (result !== false) return result
    if (performance.now() > deadline) throw new Error('it did not come to pass in time')
    await sleep(25)
  }
}
const status = async (url: string) => (await fetch(url)).status
const live = (service: Service) => until(async () => (await status(`${service.url}/livez`)) === 200)
const events = async (service: Service) => {
  const { data } = (await (await fetch(`${service.url}/v1/api/events`)).json()) as { data: { title: string }[] }
  return data
}
const ingested = (service: Service, count: number) => until(async () => (await events(service)).length === count)
const source = (url: string) => `[source.demo]\nadapter = provider-xml\nallow_private = true\nurl = ${url}\n`

describe('the process', () => {
  it('serves and ingests with both roles, and goes at SIGTERM and at SIGINT with code 0', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const service = await run(source(`file:${SAMPLE}`))
      await live(service)
      await ingested(service, 3)
      expect(await status(`${service.url}/readyz`)).toBe(200)
      service.process.kill(signal)
      expect(await service.exit).toBe(0)
      expect(service.output()).toContain('"msg":"stopped"')
    }
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
    await writeFile(join(folder, 'notes.txt'), 'not a database '.repeat(100))
    const service = await run('[sqlite]\npath = notes.txt\n')
    expect(await service.exit).toBe(1)
    expect(service.output()).toContain(join(folder, 'notes.txt'))
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
    const runs = (await (await fetch(`${second.url}/v1/api/sources/demo/runs`)).json()) as { data: object[] }
    expect(runs.data).toMatchObject([{ outcome: 'complete' }, { outcome: 'aborted', reason: 'abandoned' }])
    await provider.close()
  }, 60_000)

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
    const service = await run(source(provider.url))
    await live(service)
    await until(async () => provider.requests.length === 1)
    const port = Number(new URL(service.url).port)
    const halfOpen = connect(port, '127.0.0.1')
    halfOpen.on('error', () => undefined)
    halfOpen.write('GET /v1/api/events HTTP/1.1\r\nHost: x\r\nX-Half: ')
    // Accepted before the signal: each must be answered.
    const accepted = Array.from({ length: 20 }, () => status(`${service.url}/v1/api/events`))
    await sleep(20)
    const started = performance.now()
    service.process.kill('SIGTERM')
    expect(await Promise.all(accepted)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(await service.exit).toBe(0)
    expect(performance.now() - started).toBeLessThan(10_000)
    halfOpen.destroy()
    expect(service.output()).toContain('"outcome":"aborted"')
  })
})

describe.skipIf(whyNot('mongodb') !== undefined)('with MongoDB', () => {
  /** A port where there is nothing until it is opened; then, the tests' server. */
  async function createGate() {
    const target = new URL((inject('mongodb') as { url: string }).url)
    const sockets = new Set<Socket>()
    let server: Server | undefined
    const port = await freePort()
    return {
      port,
      async open() {
        server = createServer((socket) => {
          const upstream = connect(Number(target.port), target.hostname)
          for (const [from, to] of [
            [socket, upstream],
            [upstream, socket]
          ] as const) {
            sockets.add(from)
            from.on('error', () => to.destroy()).pipe(to)
          }
        }).listen(port, '127.0.0.1')
        await once(server, 'listening')
      },
      async close() {
        for (const socket of sockets) socket.destroy()
        await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
      }
    }
  }

  it('that is not there at the start: it lives, is not ready, says so, and recovers by itself; and again later', async () => {
    const gate = await createGate()
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
    await until(async () => service.output().includes('the storage does not answer; trying again'))

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
  }, 60_000)
})
