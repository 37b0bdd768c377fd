import { once } from 'node:events'
import { request } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findProgram } from '../find-program.ts'
import { type NameServer, startNameServer } from './name-server.ts'
import { type Replica, startReplica } from './replica.ts'
import { type Gateway, startGateway } from './start-gateway.ts'

const HAPROXY = findProgram(['haproxy'], 'The gateway IS')

describe.skipIf(HAPROXY === undefined)('the gateway', () => {
  let replicas: Replica[]
  let names: NameServer
  let gateway: Gateway
  const start = async (env = {}) => {
    gateway = await startGateway(HAPROXY!, { nameServer: names.port, apiPort: replicas[0]!.port, env })
    await expect.poll(status, { timeout: 10_000 }).toBe(200)
    // Not the first one only: each.
    await expect.poll(whoAnswers, { timeout: 10_000 }).toHaveLength(replicas.length)
    for (const replica of replicas) replica.seen = []
  }
  beforeEach(async () => {
    const first = await startReplica('127.0.0.2')
    replicas = [first, await startReplica('127.0.0.3', first.port), await startReplica('127.0.0.4', first.port)]
    names = await startNameServer(() => replicas.map(({ address }) => address))
  })
  afterEach(async () => {
    await gateway.stop()
    await names.close()
    for (const replica of replicas) await replica.kill()
  })

  const get = (path = '/v1/api/events') => fetch(`${gateway.url}${path}`)
  const status = () =>
    get().then(
      (answer) => answer.status,
      () => 0
    )
  async function whoAnswers(): Promise<string[]> {
    const answers = await Promise.all(Array.from({ length: 30 }, async () => (await get()).text()))
    return [...new Set(answers)].sort()
  }

  it('spreads requests over the replicas, those that come later, too, and says who asked', async () => {
    await start()
    await Promise.all(Array.from({ length: 60 }, () => get()))
    for (const { seen } of replicas) expect(seen.length).toBeGreaterThanOrEqual(10)
    expect(replicas[0]!.seen[0]!.headers['x-forwarded-for']).toBe('127.0.0.1')

    replicas.push(await startReplica('127.0.0.5', replicas[0]!.port))
    await expect.poll(whoAnswers, { timeout: 10_000 }).toHaveLength(4)
  })

  it('fails no request when a replica is killed that many are waiting for', async () => {
    await start()
    for (const replica of replicas) replica.delay = 200
    const answers = Array.from({ length: 60 }, () => get())
    await expect.poll(() => replicas[1]!.seen.length).toBeGreaterThan(10)
    await replicas[1]!.kill()
    answers.push(...Array.from({ length: 30 }, () => get()))
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    expect(statuses.filter((one) => one !== 200)).toEqual([])
  })

  it('asks once only for what may change something', async () => {
    await start()
    // On a connection of its own: on one that is kept, the gateway closes it without a word, as RFC 9112 lets a server do.
    const [answer] = await once(request(`${gateway.url}/drop`, { method: 'POST', agent: false }).end(), 'response')
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([
      502,
      'application/problem+json; charset=utf-8'
    ])
    expect(await json(answer)).toMatchObject({ status: 502, code: 'no_answer' })
    expect(replicas.flatMap(({ seen }) => seen)).toHaveLength(1)
  })

  it('leaves out a replica that is not ready, unless none is', async () => {
    await start()
    replicas[0]!.isReady = false
    await expect.poll(whoAnswers, { timeout: 10_000 }).toEqual(['127.0.0.3', '127.0.0.4'])
    for (const replica of replicas) replica.isReady = false
    await expect.poll(whoAnswers, { timeout: 10_000 }).toEqual(['127.0.0.2', '127.0.0.3', '127.0.0.4'])
  })

  it('says in the form of the API that none is there', async () => {
    await start()
    for (const replica of replicas) await replica.kill()
    await expect.poll(status, { timeout: 10_000 }).toBe(503)
    const answer = await get()
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(answer.headers.get('retry-after')).toBe('5')
    expect(await answer.json()).toEqual({
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      code: 'api_unavailable',
      detail: 'The API does not answer at the moment. Try again in a few seconds.'
    })
  })

  /** Of a path as it is written, which `fetch` would tidy. */
  async function statusOf(path: string): Promise<number> {
    const [answer] = await once(request(gateway.url, { path }).end(), 'response')
    answer.resume()
    return answer.statusCode
  }

  it('keeps /metrics to itself, however it is written, unless told otherwise', async () => {
    await start()
    const spellings = ['/metrics', '/metrics?x=1', '/%6detrics', '/m%65trics', '/%6D%65%74%72%69%63%73', '/metrics%3Fx']
    for (const path of [...spellings, '/metrics/', '/metrics;x', `${gateway.url}/metrics`]) {
      expect(await statusOf(path), path).toBe(404)
    }
    expect(replicas.flatMap(({ seen }) => seen)).toEqual([])
    expect(await (await get('/metrics')).json()).toMatchObject({ status: 404, code: 'not_found' })
    await gateway.stop()

    await start({ PUBLISH_METRICS: 'true' })
    expect(await statusOf('/metrics')).toBe(200)
  })

  it('answers what is under way when it is told to stop', async () => {
    await start()
    for (const replica of replicas) replica.delay = 1000
    const answer = get()
    await expect.poll(() => replicas.flatMap(({ seen }) => seen).length).toBe(1)
    const exit = once(gateway.process, 'exit')
    gateway.process.kill('SIGUSR1')
    await expect.poll(status, { timeout: 10_000 }).toBe(0)
    expect((await answer).status).toBe(200)
    expect(await exit).toEqual([0, null])
  })
})
