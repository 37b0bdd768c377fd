import { readFile } from 'node:fs/promises'
import { get } from 'node:http'
import { text as read } from 'node:stream/consumers'
import { describe, expect, inject, it } from 'vitest'
import { createGate, ingested, live, ready, SAMPLE, type Service, source, until, useServices } from '../../service.ts'
import { whyNot } from '../../storage/fixtures.ts'
import { complaintsOf } from './promtool.ts'
import { sum } from './samples.ts'

const { run } = useServices()

/** On a connection of its own, so that it meets any of the workers. */
function ask(url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, async (response) =>
      resolve({ status: response.statusCode!, body: await read(response) })
    )
      .on('error', reject)
      .end()
  })
}
async function scrape({ url }: Service): Promise<string> {
  const { status, body } = await ask(`${url}/metrics`)
  if (status !== 200) throw new Error(`status ${status}: ${body}`)
  return body
}
const requests = (text: string) =>
  sum(text, 'event_service_http_request_duration_seconds_count', { route: '/v1/api/events/:id', status: '404' })
async function request({ url }: Service, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await ask(`${url}/v1/api/events/00000000-0000-4000-8000-000000000000`)
}

it('the thread that ingests is a part of it', async () => {
  const service = await run(`${source(`file:${SAMPLE}`)}cron = * * * * * *\n`)
  await ingested(service, 3)
  await request(service, 3)
  const calls = (text: string) =>
    sum(text, 'event_service_storage_duration_seconds_count', { operation: 'closeRun', outcome: 'ok' })
  const first = await until(async () => {
    const text = await scrape(service)
    return calls(text) > 0 && text
  })
  expect(requests(first)).toBe(3)
  expect(sum(first, 'nodejs_heap_size_used_bytes', { role: 'api' })).toBeGreaterThan(0)
  const second = await until(async () => {
    const text = await scrape(service)
    const lag = sum(text, 'nodejs_eventloop_lag_p99_seconds', { role: 'ingest' })
    return calls(text) > calls(first) && lag > 0 && text
  })
  // Both threads say it of the one process.
  const memory = Number(/\nprocess_resident_memory_bytes (\d+)/.exec(second)![1])
  expect(memory).toBeLessThan(500e6)
  expect(second.match(/^process_resident_memory_bytes/gm)).toHaveLength(1)
  expect(complaintsOf(second) ?? '').toBe('')
})

it('whichever of several workers is asked, no counter falls, also when workers die or are replaced', async () => {
  const service = await run(source(`file:${SAMPLE}`), { EVENTS_SERVER_WORKERS: '3' })
  await ready(service)
  await ingested(service, 3)
  let most = 0
  /** Scrapes, as often as it takes to meet each of them. */
  async function expectRequests(least: number) {
    for (let i = 0; i < 8; i++) {
      const found = requests(await scrape(service))
      expect(found).toBeGreaterThanOrEqual(Math.max(most, least))
      most = found
    }
  }
  await request(service, 30)
  await expectRequests(30)
  expect(most).toBe(30)
  const text = await scrape(service)
  for (const name of ['event_service_events', 'event_service_runs_total', 'event_service_storage_up']) {
    expect(sum(text, name), name).toBe(name === 'event_service_events' ? 3 : 1)
  }

  for (const role of ['api', 'ingest', 'primary']) {
    await until(async () => sum(await scrape(service), 'nodejs_heap_size_used_bytes', { role }) > 0)
  }

  const worker = (await workersOf(service))[0]!
  process.kill(worker, 'SIGKILL')
  await until(async () => !(await workersOf(service)).includes(worker))
  await request(service, 10)
  await expectRequests(40)
  expect(most).toBe(40)

  service.process.kill('SIGHUP')
  await until(() => service.log().some(({ msg }) => msg === 'restarted'))
  await request(service, 10)
  await expectRequests(50)
  expect(most).toBe(50)
})

/** Its child processes. */
async function workersOf({ process: { pid } }: Service): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.trim().split(' ').map(Number)
}

describe.skipIf(whyNot('mongodb') !== undefined)('while the storage is away', () => {
  it('the process says so, and how it is itself', async () => {
    const server = inject('mongodb') as { url: string }
    const target = new URL(server.url)
    const gate = await createGate(target)
    const service = await run(source(`file:${SAMPLE}`), {
      EVENTS_SERVER_STORAGE: 'mongodb',
      EVENTS_SERVER_ROLES: 'api',
      EVENTS_MONGODB_URI: `mongodb://127.0.0.1:${gate.port}/?directConnection=true&serverSelectionTimeoutMS=500`,
      EVENTS_MONGODB_DATABASE: `metrics-${process.pid}-${Date.now()}`
    })
    try {
      await live(service)
      const text = await scrape(service)
      expect(text).toMatch(/^event_service_storage_up 0$/m)
      expect(text).not.toContain('event_service_runs_total')
      expect(sum(text, 'event_service_storage_duration_seconds_count', { outcome: 'error' })).toBeGreaterThan(0)
      await gate.open()
      await ready(service)
      await until(async () => /^event_service_storage_up 1$/m.test(await scrape(service)))
      expect(await scrape(service)).toContain('event_service_runs_total')
    } finally {
      service.process.kill('SIGKILL')
      await service.gone
      await gate.close()
    }
  })
})
