import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { startProvider } from './provider.ts'
import {
  createGate,
  events,
  ingested,
  live,
  ready,
  SAMPLE,
  type Service,
  source,
  until,
  useServices
} from './service.ts'
import { whyNot } from './storage/fixtures.ts'

const { run } = useServices()

interface Run {
  id: string
  outcome: string | null
}
async function runs(service: Service): Promise<Run[]> {
  return ((await (await fetch(`${service.url}/v1/api/sources/demo/runs?limit=100`)).json()) as { data: Run[] }).data
}

/** Answers the sample, slowly, and counts who asks at the same time. */
async function startSlowProvider() {
  const provider = await startProvider()
  onTestFinished(() => provider.close())
  const body = await readFile(SAMPLE)
  const seen = { now: 0, most: 0 }
  provider.serve(async (_request, response) => {
    seen.most = Math.max(seen.most, ++seen.now)
    response.on('close', () => seen.now--)
    await sleep(400)
    response.end(body)
  })
  return { provider, seen }
}

describe('on one SQLite file', () => {
  it.each([
    ['two whole processes', ['', '']],
    ['two of several workers each', ['2', '2']]
  ])('%s serve, and one at a time ingests a source', async (_what, workers) => {
    const { provider, seen } = await startSlowProvider()
    const config = `${source(provider.url)}cron = * * * * * *\n`
    const services: Service[] = []
    for (const count of workers) services.push(await run(config, count ? { EVENTS_SERVER_WORKERS: count } : {}))
    for (const service of services) await ready(service)
    await until(() => provider.requests.length >= 4)
    for (const service of services) await ingested(service, 3)
    expect(seen.most).toBe(1)
    for (const service of services) service.process.kill('SIGTERM')
    for (const service of services) expect(await service.exit).toBe(0)
    expect(services.flatMap((service) => service.log().filter(({ level }) => level >= 50))).toEqual([])
  })

  it('one goes on where the other one is killed', async () => {
    const config = `${source(`file:${SAMPLE}`)}cron = * * * * * *\n`
    const first = await run(config)
    await ingested(first, 3)
    const second = await run(config)
    await ready(second)
    first.process.kill('SIGKILL')
    await first.gone
    const before = (await runs(second))[0]!.id
    // It may have died with the lease, which ends by itself.
    await until(async () => {
      const [last] = await runs(second)
      return last!.id !== before && last!.outcome === 'unchanged'
    })
    expect(await events(second)).toHaveLength(3)
  })
})

type Role = 'api' | 'ingest'
interface Roles {
  start(role: Role): Promise<Service>
  /** Of each role, the one that was started last. */
  api(): Service
  ingest(): Service
}

function useRoles(env: Record<string, string> = {}): Roles {
  const last = new Map<Role, Service>()
  return {
    async start(role) {
      const service = await run(source(`file:${SAMPLE}`), { ...env, EVENTS_SERVER_ROLES: role })
      last.set(role, service)
      await live(service)
      return service
    },
    api: () => last.get('api')!,
    ingest: () => last.get('ingest')!
  }
}

async function crash(service: Service): Promise<void> {
  service.process.kill('SIGKILL')
  await service.gone
}
async function stop(service: Service): Promise<void> {
  service.process.kill('SIGTERM')
  expect(await service.exit).toBe(0)
}

const ORDERS: Record<string, (roles: Roles) => Promise<void>> = {
  'api, ingest, both crash, ingest, api': async (roles) => {
    await roles.start('api')
    await ready(roles.api())
    expect(await events(roles.api())).toEqual([])
    await roles.start('ingest')
    await ingested(roles.api(), 3)
    await crash(roles.ingest())
    expect(await events(roles.api())).toHaveLength(3)
    await crash(roles.api())
    await roles.start('ingest')
    await roles.start('api')
  },
  'ingest, api, api stops, ingest crashes, api, ingest': async (roles) => {
    await roles.start('ingest')
    await roles.start('api')
    await ingested(roles.api(), 3)
    await stop(roles.api())
    await crash(roles.ingest())
    await roles.start('api')
    expect(await events(roles.api())).toHaveLength(3)
    await roles.start('ingest')
  },
  'both at once, ingest stops, api crashes, both at once': async (roles) => {
    await Promise.all([roles.start('api'), roles.start('ingest')])
    await ingested(roles.api(), 3)
    await stop(roles.ingest())
    await crash(roles.api())
    await Promise.all([roles.start('ingest'), roles.start('api')])
  }
}

describe('roles in processes of their own', () => {
  it.each(Object.entries(ORDERS))('in the order: %s', async (_name, order) => {
    await expectOrder(useRoles(), order)
  })
})

describe.skipIf(whyNot('mongodb') !== undefined)('roles in processes of their own, with MongoDB', () => {
  const database = () => `test-${process.pid}-${Date.now()}`
  const url = () => new URL((inject('mongodb') as { url: string }).url)
  const mongodb = (port: string | number) => ({
    EVENTS_SERVER_STORAGE: 'mongodb',
    EVENTS_MONGODB_PORT: String(port),
    EVENTS_MONGODB_DATABASE: database()
  })

  it.each(Object.entries(ORDERS))('in the order: %s', async (_name, order) => {
    await expectOrder(useRoles(mongodb(url().port)), order)
  })

  it.each([
    ['api', 'ingest'],
    ['ingest', 'api']
  ] as const)('in the order: %s, %s, the storage', async (first, second) => {
    const gate = await createGate(url())
    onTestFinished(() => gate.close())
    const roles = useRoles(mongodb(gate.port))
    await roles.start(first)
    await roles.start(second)
    expect((await fetch(`${roles.api().url}/readyz`)).status).toBe(503)
    await gate.open()
    await expectOrder(roles, async () => ingested(roles.api(), 3))
  })
})

/** Whatever came before: in the end both are ready, there are three events, and both go when they are told to. */
async function expectOrder(roles: Roles, order: (roles: Roles) => Promise<unknown>): Promise<void> {
  await order(roles)
  for (const service of [roles.api(), roles.ingest()]) await ready(service)
  await ingested(roles.api(), 3)
  await until(async () => ['complete', 'unchanged'].includes((await runs(roles.api()))[0]!.outcome ?? ''))
  for (const service of [roles.ingest(), roles.api()]) await stop(service)
}
