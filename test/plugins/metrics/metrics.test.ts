import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { aggregate } from '../../../plugins/metrics/aggregate.ts'
import { counter, type Family, gauge } from '../../../plugins/metrics/family.ts'
import { createLedger } from '../../../plugins/metrics/ledger.ts'
import { createApp } from '../../helper.ts'
import { event, list, three } from '../../make-feed.ts'
import { startProvider } from '../../provider.ts'
import { complaintsOf } from './promtool.ts'
import { readSamples, sum } from './samples.ts'

it('runs are counted by source, kind, outcome and reason, over restarts', async () => {
  const provider = await startProvider()
  const service = await createApp({ sources: { demo: { url: provider.url } } })
  const metrics = async () => String((await service.get('/metrics')).body)
  try {
    expect((await service.get('/metrics')).headers['content-type']).toMatch(/^text\/plain; version=/)
    await service.ingest('demo')
    await service.ingest('demo')
    provider.serve(three.slice(0, -1))
    await service.ingest('demo')
    expect(await metrics()).toContain('event_service_source_failures{source="demo"} 3')
    expect(await metrics()).not.toContain('last_success_timestamp_seconds{')
    provider.serve(three)
    await service.ingest('demo')
    await service.post('/v1/api/sources/demo/rejects/redrive')
    const text = await metrics()
    for (const line of [
      'event_service_runs_total{source="demo",kind="fetch",outcome="failed",reason="status"} 2',
      'event_service_runs_total{source="demo",kind="fetch",outcome="partial",reason="truncated"} 1',
      'event_service_runs_total{source="demo",kind="fetch",outcome="complete",reason=""} 1',
      'event_service_runs_total{source="demo",kind="redrive",outcome="complete",reason=""} 1',
      'event_service_source_failures{source="demo"} 0',
      'event_service_source_suspicious{source="demo"} 0'
    ]) {
      expect(text).toContain(line)
    }
    const [, success] = /last_success_timestamp_seconds\{source="demo"\} ([\d.]+)/.exec(text)!
    expect(Math.abs(Number(success) - Date.now() / 1000)).toBeLessThan(60)
  } finally {
    await service.close()
    await provider.close()
  }
})

it('all are as the documentation says, and nothing else; Prometheus has nothing against them', async () => {
  const provider = await startProvider()
  const service = await createApp({
    sources: { demo: { url: provider.url } },
    alerts: { url: provider.url, secret: 'a-secret-of-the-tests' }
  })
  try {
    provider.serve(three)
    await service.ingest('demo')
    await service.app.storage.takeLease('held', 'somebody', 60_000)
    const text = String((await service.get('/metrics')).body)
    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`)
    const docs = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
    const documented = [...docs.matchAll(/^\| `(event_service_\w+)` \| (\w+) \|/gm)].map(
      ([, name, type]) => `${name} ${type}`
    )
    expect(names.filter((name) => name.startsWith('event_service')).sort()).toEqual(documented.sort())
    for (const name of names) expect(name).toMatch(/^(event_service|process|nodejs)_/)
    expect(complaintsOf(text) ?? '').toBe('')
  } finally {
    await service.close()
    await provider.close()
  }
})

it('events, their changes and rejects, leases and commands are those of the storage', async () => {
  const provider = await startProvider()
  const service = await createApp({ sources: { demo: { url: provider.url }, idle: { url: provider.url } } })
  const expectSamples = async (samples: Record<string, number>) => {
    const found = readSamples(String((await service.get('/metrics')).body))
    for (const [sample, value] of Object.entries(samples))
      expect(found.get(`event_service_${sample}`), sample).toBe(value)
    return found
  }
  try {
    provider.serve(three)
    await service.ingest('demo')
    provider.serve(list(event(1, { sold_out: 'true' }), event(2), event(4), event(5, { event_start_date: 'never' })))
    await service.ingest('demo')
    await service.app.storage.takeLease('held', 'some"body', 60_000)
    await service.app.storage.addCommand('elsewhere', 'redrive')
    await service.post('/v1/api/sources/idle/pause')
    const found = await expectSamples({
      'event_changes_total{source="demo",change="created"}': 4,
      'event_changes_total{source="demo",change="updated"}': 1,
      'event_changes_total{source="demo",change="delisted"}': 1,
      'event_changes_total{source="demo",change="restored"}': 0,
      'rejected_records_total{source="demo"}': 1,
      'events{source="demo",status="listed"}': 3,
      'events{source="demo",status="delisted"}': 1,
      'source_stale{source="demo"}': 0,
      'source_stale{source="idle"}': 1,
      'source_paused{source="demo"}': 0,
      'source_paused{source="idle"}': 1,
      'lease_held{name="held",holder="some\\"body"}': 1,
      'commands_pending{kind="redrive"}': 1,
      'commands_pending{kind="run"}': 0,
      storage_up: 1
    })
    const age = (name: string) => found.get(`event_service_${name}`)!
    for (const name of [
      'source_freshness_seconds{source="demo"}',
      'lease_age_seconds{name="held"}',
      'oldest_command_age_seconds'
    ]) {
      expect(age(name), name).toBeGreaterThanOrEqual(0)
      expect(age(name), name).toBeLessThan(30)
    }
    expect(found.has('event_service_source_freshness_seconds{source="idle"}')).toBe(false)
    expect(found.has('event_service_lease_held{name="source:demo"')).toBe(false)
  } finally {
    await service.close()
    await provider.close()
  }
})

it('requests are counted by their route, never by their path', async () => {
  const service = await createApp({ sources: { demo: { url: 'file:none.xml' } } })
  try {
    for (const path of ['a', 'b']) await service.get(`/v1/api/sources/${path}`)
    for (const path of ['x', 'y/z']) await service.get(`/nothing/${path}`)
    await service.get('/v1/api/events?limit=5')
    await service.post('/v1/api/sources/demo/pause', 'wrong')
    const text = String((await service.get('/metrics')).body)
    const count = (method: string, route: string, status: string) =>
      sum(text, 'event_service_http_request_duration_seconds_count', { method, route, status })
    expect(count('GET', '/v1/api/sources/:name', '404')).toBe(2)
    expect(count('GET', '(none)', '404')).toBe(2)
    expect(count('GET', '/v1/api/events', '200')).toBe(1)
    expect(count('POST', '/v1/api/sources/:name/pause', '401')).toBe(1)
    expect(text).not.toContain('y/z')
    const buckets = [...readSamples(text)].filter(
      ([sample]) => sample.includes('request_duration_seconds_bucket') && sample.includes('route="(none)"')
    )
    const values = buckets.map(([, value]) => value)
    expect(values).toEqual(values.toSorted((a, b) => a - b))
    expect(buckets.at(-1)).toEqual([expect.stringContaining('le="+Inf"'), 2])
    expect(sum(text, 'event_service_http_request_duration_seconds_sum', { route: '(none)' })).toBeGreaterThan(0)
    expect(sum(text, 'event_service_storage_duration_seconds_count', { operation: 'find', outcome: 'ok' })).toBe(1)
  } finally {
    await service.close()
  }
})

it('what others have counted is kept when they end or do not answer, and how they were is not', async () => {
  const ledger = createLedger()
  const families = (count: number): Family[] => [
    counter('c_total', 'c', [{ labels: { a: 1 }, value: count }]),
    gauge('g', 'g', [{ labels: {}, value: count }])
  ]
  const text = async (answered: string[]) => (await aggregate(ledger.all(answered))).metrics()
  for (const [index, instance] of ['a', 'b', 'c'].entries()) ledger.learn({ instance, families: families(10 ** index) })
  expect(sum(await text(['a', 'b', 'c']), 'c_total')).toBe(111)
  expect(sum(await text(['a', 'b', 'c']), 'g')).toBe(111)
  expect(sum(await text(['b']), 'c_total')).toBe(111)
  expect(sum(await text(['b']), 'g')).toBe(10)
  const ends = [ledger.end('a'), ledger.end('b')]
  expect(sum(await text(['c']), 'c_total')).toBe(111)
  await Promise.all(ends)
  await ledger.end('a')
  ledger.learn({ instance: 'c', families: families(200) })
  expect(sum(await text(['c']), 'c_total')).toBe(211)
  expect(sum(await text(['c']), 'g')).toBe(200)
})
