import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createApp } from '../helper.ts'
import type { Answer, Script } from '../provider/answer.ts'
import { writeFeed, writeVersion } from '../provider/feeds.ts'
import { inTurn } from '../provider/scripts.ts'
import { honest, lying } from '../provider/validators.ts'
import { startProvider } from '../provider.ts'
import { recordHazard } from './record.ts'

const FEED = writeFeed(10)
const MODIFIED = new Date('2026-01-01T00:00:00Z')
const RUNS = 4

/** Each keeps sending validators, and what it sends is the same or is said to be. */
const SERVERS: Record<string, () => Script> = {
  'honest, both validators': () => honest(() => ({ body: FEED, modified: MODIFIED })),
  'honest, ETag alone': () => honest(() => ({ body: FEED, modified: MODIFIED }), { lastModified: false }),
  'honest, Last-Modified alone': () => honest(() => ({ body: FEED, modified: MODIFIED }), { etag: false }),
  '304 always': () => lying.always304(() => FEED),
  '304 with a body': () => lying.body304(() => writeVersion(1)),
  'another ETag, the same body': () => lying.changedEtagSameBody(FEED),
  'the same ETag, the same body': () => lying.sameEtagChangedBody(() => FEED)
}

describe('a server that sends validators', () => {
  it('is asked conditionally from the second time on, whatever it does with that', async ({ task }) => {
    let unconditional = 0
    let changes = 0
    for (const [name, start] of Object.entries(SERVERS)) {
      const provider = await startProvider()
      const service = await createApp({ sources: { demo: { url: provider.url } } })
      provider.play(start())
      await service.ingest('demo')
      const { revision } = (await service.get('/v1/api/events')).body.meta
      for (let i = 1; i < RUNS; i++) expect(await service.ingest('demo'), name).toMatchObject({ outcome: 'unchanged' })
      changes += (await service.get('/v1/api/events')).body.meta.revision - revision
      unconditional += provider.requests
        .slice(1)
        .filter(({ headers }) => !headers['if-none-match'] && !headers['if-modified-since']).length
      await service.close()
      await provider.close()
    }
    recordHazard(task, {
      hazard: `304, 304 with a body, changed ETag with same body: ${Object.keys(SERVERS).length} servers, ${RUNS} runs each`,
      expected: 'conditional always; nothing written',
      figure: `unconditional after the first ${unconditional}, changes ${changes}`
    })
    expect({ unconditional, changes }).toEqual({ unconditional: 0, changes: 0 })
  })

  it('and says 304 to who has nothing is not believed', async () => {
    const provider = await startProvider()
    const service = await createApp({ sources: { demo: { url: provider.url } } })
    provider.play(lying.unasked304())
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'failed', reason: 'status' })
    expect((await service.get('/v1/api/sources/demo')).body.last_success_at).toBeNull()
    await service.close()
    await provider.close()
  })

  it('and stops sending them is asked for the whole again', async () => {
    const provider = await startProvider()
    const service = await createApp({ sources: { demo: { url: provider.url } } })
    let version = 0
    provider.play(lying.stopsSending(() => writeVersion(version++)))
    for (let i = 0; i < 3; i++) await service.ingest('demo')
    const [, second, third] = provider.requests
    expect(second!.headers['if-none-match']).toBe('"same"')
    expect(third!.headers['if-none-match']).toBeUndefined()
    expect(third!.headers['if-modified-since']).toBeUndefined()
    await service.close()
    await provider.close()
  })
})

it('a server that asks to be left alone is', async ({ task }) => {
  const later = () => new Date(Date.now() + 3000).toUTCString()
  const answers: Record<string, () => Answer> = {
    '429 with seconds': () => ({ status: 429, headers: { 'retry-after': '2' } }),
    '503 with seconds': () => ({ status: 503, headers: { 'retry-after': '2' } }),
    '503 with a date': () => ({ status: 503, headers: { 'retry-after': later() } })
  }
  let inside = 0
  await Promise.all(
    Object.entries(answers).map(async ([name, answer]) => {
      const provider = await startProvider()
      provider.play(inTurn({ script: () => answer() }, { script: { body: FEED } }))
      const keys = { url: provider.url, cron: '* * * * * *', backoff_base: 0.1, backoff_cap: 0.1 }
      const service = await createApp({ sources: { demo: keys }, tick: true })
      while (provider.requests.length === 0) await sleep(10)
      const asked = performance.now()
      while (provider.requests.length === 1) await sleep(10)
      // Dates have no fractions of a second.
      if (performance.now() - asked < 1950) inside++
      while ((await service.events()).length === 0) await sleep(10)
      expect(await service.events(), name).toHaveLength(10)
      await service.close()
      await provider.close()
    })
  )
  recordHazard(task, {
    hazard: 'Retry-After in seconds and as a date, with 429 and 503, against a cron of every second',
    expected: 'waits, then goes on by itself',
    figure: `requests inside Retry-After ${inside} of 3`
  })
  expect(inside).toBe(0)
})
