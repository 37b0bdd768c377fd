import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCache, type KeptPage } from '../../plugins/pages/cache.ts'
import { StorageUnavailable } from '../../storage/kit/errors.ts'
import { createApp, type TestApp } from '../helper.ts'

const state = { revision: 1, sources: '', digest: '', since: 0, modified: '', isPast: true }
const page = (key: string, bytes: number): KeptPage => ({
  ...{ key, state, etag: key, body: Buffer.alloc(bytes), link: undefined, metaAt: null, read_at: 0 },
  ...{ urls: [], encoded: new Map() }
})
const names = Array.from({ length: 100 }, (_, i) => String(i))

describe('pages in memory', () => {
  it('take no more than they may; what is asked for once drives out nothing', () => {
    const cache = createCache(100_000)
    for (const name of names) cache.admit(page(name, 10_000))
    const kept = names.filter((name) => cache.get(name) !== undefined)
    expect(kept.length).toBeGreaterThan(2)
    expect(kept.length).toBeLessThan(10)
    expect(kept).toEqual(names.slice(0, kept.length))
  })

  it('are those that are asked for twice, and the oldest go first', () => {
    const cache = createCache(100_000)
    for (const name of names) for (let i = 0; i < 2; i++) cache.admit(page(name, 10_000))
    const kept = names.filter((name) => cache.get(name) !== undefined)
    expect(kept).toEqual(names.slice(-kept.length))
  })

  it('grow by what they are compressed to, and are found by their URLs until they go', () => {
    const cache = createCache(100_000)
    const one = cache.admit(page('one', 30_000))
    cache.link('/one', one)
    cache.addEncoded(one, 'br', Buffer.alloc(30_000))
    expect([cache.byUrl('/one'), cache.get('one')]).toEqual([one, one])
    for (let i = 0; i < 2; i++) cache.admit(page('two', 45_000))
    expect([cache.byUrl('/one'), cache.get('one')]).toEqual([undefined, undefined])
  })

  it('that grow beyond what all may be together go, with their URLs', () => {
    const cache = createCache(100_000)
    const one = cache.admit(page('one', 60_000))
    cache.link('/one', one)
    cache.addEncoded(one, 'br', Buffer.alloc(60_000))
    expect([cache.byUrl('/one'), cache.get('one')]).toEqual([undefined, undefined])
  })

  it('larger than all may be together, or of 0 bytes in all, are not kept', () => {
    for (const most of [1000, 0]) {
      const cache = createCache(most)
      for (let i = 0; i < 3; i++) cache.admit(page('one', 2000))
      expect(cache.get('one')).toBeUndefined()
    }
  })
})

describe('while the storage is away', () => {
  let service: TestApp
  const url = new URL('../feeds/v2-snapshot-1.xml', import.meta.url).href
  async function start(server = {}) {
    service = await createApp({ sources: { demo: { url } }, server })
    await service.ingest('demo')
  }
  beforeEach(() => start())
  afterEach(async () => {
    vi.restoreAllMocks()
    await service.close()
  })
  async function breakStorage(error: Error = new StorageUnavailable('SQLite: no')) {
    for (const call of ['find', 'revision', 'get'] as const) {
      vi.spyOn(service.app.storage, call).mockRejectedValue(error)
    }
    // So long the last revision is believed.
    await new Promise((resolve) => setTimeout(resolve, 120))
  }

  it('a list that was answered is answered again as it was, and says that it is stale', async () => {
    const query = '/v1/api/events?limit=2&source=demo'
    const before = await service.get(query)
    await breakStorage()
    const { status, headers, body } = await service.get('/v1/api/events?source=demo&limit=2')
    expect(status).toBe(200)
    expect(headers.warning).toBe('110 - "Response is Stale"')
    expect(Number(headers.age)).toBeLessThan(60)
    expect([headers.etag, headers['cache-control']]).toEqual([undefined, 'no-store'])
    const { stale, read_at, ...meta } = body.meta as typeof body.meta & { stale: boolean; read_at: string }
    expect({ ...body, meta }).toEqual(before.body)
    expect(stale).toBe(true)
    expect(Math.abs(Date.parse(read_at) - Date.now())).toBeLessThan(60_000)
    expect(headers.link).toContain(`cursor=${body.page.next_cursor}`)
    vi.restoreAllMocks()
    const after = await service.get(query)
    expect([after.headers.warning, after.headers.age, after.body]).toEqual([undefined, undefined, before.body])
  })

  it('one event is answered again, too', async () => {
    const id = (await service.events())[0]!.id
    const before = await service.get(`/v1/api/events/${id}`)
    await breakStorage()
    const { status, headers, body } = await service.get(`/v1/api/events/${id}`)
    expect([status, headers.warning, body]).toEqual([200, '110 - "Response is Stale"', before.body])
  })

  it('another list is answered with 503, and nothing of the driver', async () => {
    await service.get('/v1/api/events')
    await breakStorage()
    const { status, headers, body } = await service.get('/v1/api/events?limit=3')
    expect([status, headers['retry-after'], body.code]).toEqual([503, '5', 'storage_unavailable'])
    expect(JSON.stringify(body)).not.toContain('SQLite')
  })

  it('a fault of the service is not covered up with a stale list', async () => {
    await service.get('/v1/api/events')
    await breakStorage(new TypeError('a fault'))
    expect((await service.get('/v1/api/events')).status).toBe(500)
  })

  it('with cache_mb = 0 no list comes from memory', async () => {
    await service.close()
    await start({ cache_mb: 0 })
    await service.get('/v1/api/events')
    await breakStorage()
    expect((await service.get('/v1/api/events')).status).toBe(503)
  })
})
