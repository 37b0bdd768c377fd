import { expect, it } from 'vitest'
import { createApp } from '../helper.ts'
import { three } from '../make-feed.ts'
import { startProvider } from '../provider.ts'

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
