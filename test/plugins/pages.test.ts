import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createPages, type KeptPage } from '../../plugins/pages.ts'
import { StorageUnavailable } from '../../storage/kit/errors.ts'
import { createApp, type TestApp } from '../helper.ts'

const page = (bytes: number, read_at = 0): KeptPage => ({ body: Buffer.alloc(bytes), next_cursor: null, read_at })

describe('pages in memory', () => {
  it('are found by their query, in any order of its parameters, and by no other', () => {
    const pages = createPages(1e6)
    pages.keep({ limit: 20, source: 'demo' }, page(10))
    expect(pages.recall({ source: 'demo', limit: 20 })).toBeDefined()
    for (const query of [{ limit: 20 }, { limit: '20', source: 'demo' }, { limit: 20, source: 'dem' }]) {
      expect(pages.recall(query)).toBeUndefined()
    }
  })

  it('take no more than they may, and the oldest go first', () => {
    const pages = createPages(100_000)
    for (let i = 0; i < 100; i++) pages.keep({ i }, page(10_000, i))
    const kept = Array.from({ length: 100 }, (_, i) => i).filter((i) => pages.recall({ i }) !== undefined)
    expect(kept).toEqual([91, 92, 93, 94, 95, 96, 97, 98, 99])
  })

  it('that are asked for again stay, as they were last', () => {
    const pages = createPages(100_000)
    for (let i = 0; i < 100; i++) {
      pages.keep({ i }, page(10_000, i * 1000))
      pages.keep({ often: true }, page(10_000, i * 1000))
    }
    expect(pages.recall({ often: true })!.read_at).toBe(99_000)
  })

  it('that are small count with the block of memory that they are cut from', () => {
    const pages = createPages(100_000)
    for (let i = 0; i < 100; i++) pages.keep({ i }, { body: Buffer.from('x'), next_cursor: null, read_at: 0 })
    const kept = Array.from({ length: 100 }, (_, i) => i).filter((i) => pages.recall({ i }) !== undefined)
    expect(kept.length).toBeLessThan(100_000 / Buffer.poolSize)
  })

  it('larger than all may be together, or of 0 bytes in all, are not kept', () => {
    for (const most of [1000, 0]) {
      const pages = createPages(most)
      pages.keep({ a: 1 }, page(2000))
      expect(pages.recall({ a: 1 })).toBeUndefined()
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
  const breakStorage = (error: Error = new StorageUnavailable('SQLite: no')) =>
    vi.spyOn(service.app.storage, 'find').mockRejectedValue(error)

  it('a list that was answered is answered again as it was, and says that it is stale', async () => {
    const query = '/v1/api/events?limit=2&source=demo'
    const before = await service.get(query)
    breakStorage()
    const { status, headers, body } = await service.get('/v1/api/events?source=demo&limit=2')
    expect(status).toBe(200)
    expect(headers.warning).toBe('110 - "Response is Stale"')
    expect(Number(headers.age)).toBeLessThan(60)
    const { stale, read_at, ...meta } = body.meta as typeof body.meta & { stale: boolean; read_at: string }
    expect({ ...body, meta }).toEqual(before.body)
    expect(stale).toBe(true)
    expect(Math.abs(Date.parse(read_at) - Date.now())).toBeLessThan(60_000)
    expect(headers.link).toContain(`cursor=${body.page.next_cursor}`)
    vi.restoreAllMocks()
    const after = await service.get(query)
    expect([after.headers.warning, after.headers.age, after.body]).toEqual([undefined, undefined, before.body])
  })

  it('another list is answered with 503, and nothing of the driver', async () => {
    await service.get('/v1/api/events')
    breakStorage()
    const { status, headers, body } = await service.get('/v1/api/events?limit=3')
    expect([status, headers['retry-after'], body.code]).toEqual([503, '5', 'storage_unavailable'])
    expect(JSON.stringify(body)).not.toContain('SQLite')
  })

  it('a fault of the service is not covered up with a stale list', async () => {
    await service.get('/v1/api/events')
    breakStorage(new TypeError('a fault'))
    expect((await service.get('/v1/api/events')).status).toBe(500)
  })

  it('with stale_mb = 0 no list comes from memory', async () => {
    await service.close()
    await start({ stale_mb: 0 })
    await service.get('/v1/api/events')
    breakStorage()
    expect((await service.get('/v1/api/events')).status).toBe(503)
  })
})
