import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createApp } from '../helper.ts'

it('a list says which sources may be out of date, and is no error for it', async () => {
  const url = new URL('../feeds/v2-snapshot-1.xml', import.meta.url).href
  const service = await createApp({ sources: { demo: { url }, other: { url, enabled: false } } })
  const before = await service.get('/v1/api/events')
  expect(before.status).toBe(200)
  expect(before.body.meta).toMatchObject({
    sources: [
      { name: 'demo', last_success_at: null, last_attempt_at: null, stale: true },
      { name: 'other', stale: false }
    ],
    warnings: [{ code: 'stale_source', source: 'demo', detail: expect.stringContaining('never been fetched') }]
  })
  const { started_at, finished_at } = await service.ingest('demo')
  // So long what is known of sources is believed.
  await sleep(1100)
  const { meta } = (await service.get('/v1/api/events')).body
  expect(meta).not.toHaveProperty('warnings')
  expect(meta.sources[0]).toMatchObject({ last_success_at: finished_at, stale: false })
  const { last_attempt_at } = meta.sources[0] as unknown as { last_attempt_at: string }
  expect(last_attempt_at <= started_at!).toBe(true)
  await service.close()
})
