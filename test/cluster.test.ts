import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { RESET_AT_ONCE, startLoad } from './load.ts'
import {
  ingested,
  logged,
  ready,
  SAMPLE,
  type Service,
  source,
  status,
  until,
  useServices,
  workers
} from './service.ts'

const { run, path } = useServices()

const config = (server = 'workers = 2') => `[server]\n${server}\n${source(`file:${SAMPLE}`)}`

async function start(): Promise<Service> {
  const service = await run(config())
  await ready(service)
  await until(() => workers(service).length === 2)
  return service
}
const haveAsked = (clients: { requests: number }[], times: number) =>
  until(() => clients.every(({ requests }) => requests > times))
const failures = (clients: { failures: string[] }[]) => clients.flatMap((client) => client.failures)

describe('a service of several workers', () => {
  it('serves and ingests, says once where it listens, and goes at SIGTERM with code 0 and all that it started', async () => {
    const service = await start()
    await ingested(service, 3)
    expect(await (await fetch(`${service.url}/readyz`)).json()).toMatchObject({
      checks: { storage: 'ok', ingest: 'ok' }
    })
    expect(service.output().split(service.url)).toHaveLength(3) // the other one is that of the documentation
    service.process.kill('SIGTERM')
    expect(await service.exit).toBe(0)
    await service.gone
    const stopped = service.log().filter(({ msg }) => msg === 'stopped')
    expect(stopped.map(({ worker }) => worker).sort()).toEqual([1, 2, undefined])
  })

  it('answers all whom it has accepted when it goes', async () => {
    const service = await start()
    const load = await startLoad(`${service.url}/v1/api/events`, { keeping: 8, connecting: 8 })
    await haveAsked(load.clients, 10)
    service.process.kill('SIGTERM')
    expect(await service.exit).toBe(0)
    const clients = await load.stop()
    expect(failures(clients).filter((failure) => failure !== 'ECONNREFUSED')).toEqual([])
  })

  it('goes with code 0 where a Ctrl-C reaches all of its processes', async () => {
    const service = await start()
    for (const pid of [...workers(service), service.process.pid!]) process.kill(pid, 'SIGINT')
    expect(await service.exit).toBe(0)
    await service.gone
    // But for a run that is aborted, if there is one just then.
    expect(service.log().filter(({ level, run }) => level > 30 && run === undefined)).toEqual([])
  })

  it('says that its port is taken, once, and exits with code 1', async () => {
    const first = await start()
    const second = await run(config(), {
      EVENTS_SERVER_PORT: new URL(first.url).port,
      EVENTS_SQLITE_PATH: path('2.db')
    })
    expect(await second.exit).toBe(1)
    expect(second.output().split('set [server] host and port to what can be listened on')).toHaveLength(2)
    expect(second.output()).not.toMatch(/starting another one| {4}at /)
  })

  it('says which SQLite file it cannot use, once, and exits with code 1', async () => {
    await writeFile(path('notes.txt'), 'not a database '.repeat(100))
    const service = await run(`${config()}[sqlite]\npath = notes.txt\n`)
    expect(await service.exit).toBe(1)
    expect(service.output().split(path('notes.txt'))).toHaveLength(2)
    expect(service.output()).not.toMatch(/starting another one| {4}at /)
  })

  it('replaces a worker that is killed, and the others go on without a failed request', async () => {
    const service = await start()
    const load = await startLoad(`${service.url}/v1/api/events`, { keeping: 8 })
    await haveAsked(load.clients, 10)
    process.kill(workers(service)[0]!, 'SIGKILL')
    await until(() => workers(service).length === 3)
    // Until it has been noticed that it is gone, it may be given new connections.
    const lost = failures(load.clients).length
    await haveAsked(load.clients, Math.max(...load.clients.map(({ requests }) => requests)) + 10)
    const clients = await load.stop()
    expect(failures(clients)).toHaveLength(lost)
    // The workers take turns: every other client has its connection to the one that lived.
    const failed = [0, 1].map((half) => failures(clients.filter((_, i) => i % 2 === half)).length)
    expect(Math.min(...failed)).toBe(0)
    // Of those who had theirs to the one that was killed, each has lost what it was waiting for at most.
    for (const client of clients) {
      expect(client.failures.filter((failure) => failure !== RESET_AT_ONCE).length).toBeLessThanOrEqual(1)
    }
    expect(await status(`${service.url}/readyz`)).toBe(200)
  })

  it('whose primary is killed: its workers answer what they were asked, and end', async () => {
    const service = await start()
    const client = connect(Number(new URL(service.url).port), '127.0.0.1')
    client.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
    // So a worker has it.
    await once(client, 'data')
    client.write('GET /livez HTTP/1.1\r\n')
    await sleep(100)
    service.process.kill('SIGKILL')
    await service.exit
    client.write('Host: x\r\nConnection: close\r\n\r\n')
    expect(await text(client)).toMatch(/^HTTP\/1\.1 200 OK/)
    await service.gone
  })
})

describe('SIGHUP', () => {
  it('replaces all workers with the configuration as it is now, without a failed request', async () => {
    const service = await start()
    const load = await startLoad(`${service.url}/v1/api/events`, { keeping: 4, connecting: 4 })
    await writeFile(path('config.ini'), config('workers = 3\nroles = api\nadmin_token = none'))
    service.process.kill('SIGHUP')
    await logged(service, 'restarted')
    await until(() => workers(service).length === 5)
    await haveAsked(load.clients, Math.max(10, ...load.clients.map(({ requests }) => requests)))
    const clients = await load.stop()
    expect(failures(clients)).toEqual([])
    const [old, next] = [workers(service).slice(0, 2), workers(service).slice(2)]
    expect(old.filter(isRunning)).toEqual([])
    expect(next.filter(isRunning)).toHaveLength(3)
    // Without a token configured it was 403 for everybody.
    expect((await fetch(`${service.url}/v1/api/sources/demo/confirm`, { method: 'POST' })).status).toBe(401)
    expect(service.log().find(({ msg }) => msg.startsWith('these of [server] stay'))).toMatchObject({ keys: ['roles'] })
    await ready(service)
  })

  it('is not lost and not doubled while workers are being replaced', async () => {
    const service = await start()
    service.process.kill('SIGHUP')
    await until(() => workers(service).length === 3)
    for (let i = 0; i < 3; i++) {
      service.process.kill('SIGHUP')
      await sleep(20)
    }
    await logged(service, 'restarted', 2)
    await sleep(500)
    expect(workers(service)).toHaveLength(6)
    service.process.kill('SIGTERM')
    expect(await service.exit).toBe(0)
  })

  it('touches nothing where the configuration is wrong, and says what is', async () => {
    const service = await start()
    await writeFile(path('config.ini'), config('workers = none'))
    service.process.kill('SIGHUP')
    await logged(service, 'told to restart; all goes on as it was')
    expect(service.output()).toContain('[server] workers: got \\"none\\"')
    expect(workers(service).filter(isRunning)).toHaveLength(2)
    expect(await status(`${service.url}/readyz`)).toBe(200)
    // Also what is started later is not of that file.
    process.kill(workers(service)[0]!, 'SIGKILL')
    await until(() => workers(service).length === 3)
  })

  it('keeps the workers where a new one does not start', async () => {
    const service = await start()
    await writeFile(path('notes.txt'), 'not a database '.repeat(100))
    await writeFile(path('config.ini'), `${config()}[sqlite]\npath = notes.txt\n`)
    service.process.kill('SIGHUP')
    await logged(service, 'a new worker did not start; the others, and ingestion, go on as they were')
    expect(workers(service).filter(isRunning)).toHaveLength(2)
    await ingested(service, 3)
  })

  it('in the middle of which SIGTERM comes ends all with code 0', async () => {
    const service = await start()
    service.process.kill('SIGHUP')
    await logged(service, 'restarting: workers one after the other, then ingestion')
    service.process.kill('SIGTERM')
    expect(await service.exit).toBe(0)
    await service.gone
  })

  it('stops a service of one process', async () => {
    const service = await run(config('workers = 1'))
    await ready(service)
    service.process.kill('SIGHUP')
    expect(await service.exit).toBe(0)
    expect(service.output()).toContain('"msg":"stopped"')
  })
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
