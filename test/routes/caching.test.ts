import { request } from 'node:http'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { InjectOptions } from 'fastify'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'

const url = new URL('../feeds/v2-snapshot-1.xml', import.meta.url).href
const LIST = '/v1/api/events?limit=3&source=demo'

let service: TestApp
beforeEach(async () => {
  service = await createApp({ sources: { demo: { url } } })
  await service.ingest('demo')
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await service.close()
})

const ask = (url: string, headers: Record<string, string> = {}, method: InjectOptions['method'] = 'GET') =>
  service.app.inject({ method, url, headers })

/** How often the storage was asked for events. */
function countQueries() {
  const { find, get, versions, changes } = service.app.storage
  const asked = { find, get, versions, changes }
  let count = 0
  for (const [name, call] of Object.entries(asked)) {
    vi.spyOn(service.app.storage, name as 'find').mockImplementation((...args) => {
      count++
      return (call as typeof find)(...args)
    })
  }
  return () => count
}

describe('an answer about events', () => {
  it('that the client has is 304, without a query', async () => {
    const id = (await service.events())[0]!.id
    const urls = [LIST, '/v1/api/events?fields=id', `/v1/api/events/${id}`, `/v1/api/events/${id}/history`]
    for (const path of [...urls, '/v1/api/changes?limit=2', '/v1/api/events.csv']) {
      const first = await ask(path)
      expect([path, first.statusCode]).toEqual([path, 200])
      const tag = first.headers.etag as string
      expect(tag).toMatch(/^W\/"[^"]+"$/)
      const queries = countQueries()
      for (const tags of [tag, `"x", ${tag}, W/"y"`, tag.slice(2), '*']) {
        const again = await ask(path, { 'if-none-match': tags })
        expect([path, again.statusCode, again.body, again.headers.etag]).toEqual([path, 304, '', tag])
        expect(again.headers['cache-control']).toBe(first.headers['cache-control'])
        expect(again.headers.vary).toBe(first.headers.vary)
      }
      expect([path, queries()]).toEqual([path, 0])
      expect((await ask(path, { 'if-none-match': '"other", W/"one"' })).statusCode).toBe(200)
      vi.restoreAllMocks()
    }
  })

  it('is not 304 where there is none', async () => {
    const path = '/v1/api/events/00000000-0000-5000-8000-000000000000'
    expect((await ask(path, { 'if-none-match': '*' })).statusCode).toBe(404)
  })

  it('has another tag for another question, and after a change', async () => {
    const tags = new Set<unknown>()
    for (const query of ['', '?limit=1', '?limit=2', '?sort=title', '?limit=1&fields=id']) {
      tags.add((await ask(`/v1/api/events${query}`)).headers.etag)
    }
    expect(tags.size).toBe(5)
    const before = (await ask(LIST)).headers.etag
    const other = '/v1/api/events?source=demo&limit=3'
    expect((await ask(other)).headers.etag).toBe(before)
  })

  it('comes from memory while nothing has changed, however it is asked for', async () => {
    const queries = countQueries()
    const { body } = await ask(LIST)
    for (const path of [
      LIST,
      '/v1/api/events?source=demo&limit=3',
      '/v1/api/events?match=within&source=demo&limit=3'
    ]) {
      for (let i = 0; i < 3; i++) expect((await ask(path)).body).toBe(body)
    }
    expect(queries()).toBe(1)
  })

  it('has the same headers from memory as it had when it was read', async () => {
    const [read, kept, known] = [await ask(LIST), await ask(LIST), await ask(LIST, { 'if-none-match': '*' })]
    expect(read.headers).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff'
    })
    const rest = ({ date, ...headers }: typeof read.headers) => ({ ...headers, 'content-length': undefined })
    expect(rest(kept.headers)).toEqual(rest(read.headers))
    expect(Object.keys(known.headers).sort()).toEqual(
      Object.keys(read.headers)
        .filter((name) => !['content-length', 'content-type', 'link'].includes(name))
        .sort()
    )
  })

  it('about today leads on, also where its date was asked for before', async () => {
    const today = new Date().toISOString().slice(0, 10)
    const [date, word] = [`/v1/api/events?limit=1&end_date=${today}`, '/v1/api/events?limit=1&end_date=today']
    await ask(date)
    const { next_cursor } = (await ask(word)).json().page
    expect((await ask(`${word}&cursor=${next_cursor}`)).statusCode).toBe(200)
  })

  it('is read again after a change', async () => {
    const { body } = await ask(LIST)
    const run = service.app.storage.revision
    const revision = await run()
    vi.spyOn(service.app.storage, 'revision').mockResolvedValue(revision + 1)
    await new Promise((resolve) => setTimeout(resolve, 150))
    const after = await ask(LIST)
    expect(JSON.parse(after.body).meta.revision).toBe(revision + 1)
    expect(JSON.parse(after.body).data).toEqual(JSON.parse(body).data)
  })

  it('stays what the client has when a source is fetched and nothing of it changed, and says so when it is read', async () => {
    const first = await ask(LIST)
    await service.ingest('demo')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const queries = countQueries()
    expect((await ask(LIST, { 'if-none-match': String(first.headers.etag) })).statusCode).toBe(304)
    const after = await ask(LIST)
    expect([after.headers.etag, queries()]).toEqual([first.headers.etag, 0])
    const meta = (body: string) => JSON.parse(body).meta.sources[0].last_success_at
    expect(meta(after.body) > meta(first.body)).toBe(true)
    expect(JSON.parse(after.body).data).toEqual(JSON.parse(first.body).data)
  })

  it('is read once for all who ask at the same time', async () => {
    const queries = countQueries()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/v1/api/events?limit=2')))
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
    expect(queries()).toBe(1)
  })

  it('says when it last changed, once that is sure, and takes that for what the client has', async () => {
    const first = await ask(LIST)
    expect(first.headers['last-modified']).toBeUndefined()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5000 })
    const modified = (await ask(LIST)).headers['last-modified'] as string
    expect(Date.parse(modified)).toBeLessThan(Date.now())
    expect((await ask(LIST, { 'if-modified-since': modified })).statusCode).toBe(304)
    expect((await ask(LIST, { 'if-modified-since': new Date().toUTCString() })).statusCode).toBe(200)
    expect((await ask(LIST, { 'if-modified-since': modified, 'if-none-match': '"other"' })).statusCode).toBe(200)
  })

  it('that goes by the time goes by no time at which something changed', async () => {
    const id = (await service.events())[0]!.id
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5000 })
    const modified = (await ask(LIST)).headers['last-modified'] as string
    const filters = ['start_date=today', 'end_date=now', 'updated_since=-1h', 'as_of=-1h', 'available=true']
    const lists = filters.flatMap((filter) => [`${LIST}&${filter}`, `/v1/api/events.csv?${filter}`])
    for (const path of [...lists, `/v1/api/events/${id}?as_of=now`, '/v1/api/changes?since=-1h']) {
      const { statusCode, headers } = await ask(path, { 'if-modified-since': modified })
      expect([path, statusCode, headers['last-modified']]).toEqual([path, 200, undefined])
    }
    const timeless = ['/v1/api/events.csv', `/v1/api/events/${id}`, `/v1/api/events/${id}/history`, '/v1/api/changes']
    for (const path of timeless) {
      expect([path, (await ask(path, { 'if-modified-since': modified })).statusCode]).toEqual([path, 304])
    }
  })

  it('leads to the next page on no other host, whoever asked first', async () => {
    const address = await service.app.listen({ port: 0, host: '127.0.0.1' })
    for (const path of ['/v1/api/events?limit=1', '/v1/api/changes?limit=1']) {
      const link = await new Promise((resolve, reject) => {
        const asked = request(address, { path: `http://other.example${path}`, agent: false }, (response) => {
          response.resume()
          resolve(response.headers.link)
        })
        asked.on('error', reject).end()
      })
      expect(link).toMatch(/^<\/v1\/api\/[^>]*>; rel="next", <\/v1\/api\/[^>]*>; rel="first"$/)
      expect((await ask(path)).headers.link).toBe(link)
    }
  })

  it('is compressed as the client likes it best', async () => {
    const { body } = await ask('/v1/api/events')
    const decoders = { br: brotliDecompressSync, gzip: gunzipSync, zstd: zstdDecompressSync }
    for (let round = 0; round < 3; round++) {
      for (const [encoding, decode] of Object.entries(decoders)) {
        const answer = await ask('/v1/api/events', { 'accept-encoding': encoding })
        expect(answer.headers['content-encoding']).toBe(encoding)
        expect(answer.headers.vary).toBe('Accept-Encoding')
        expect(decode(answer.rawPayload).toString()).toBe(body)
        expect(answer.rawPayload.length).toBeLessThan(body.length / 2)
      }
    }
    const chosen = async (header: string) =>
      (await ask('/v1/api/events', { 'accept-encoding': header })).headers['content-encoding']
    expect(await chosen('gzip, deflate, br, zstd')).toBe('br')
    expect(await chosen('gzip;q=1, br;q=0.5')).toBe('gzip')
    expect(await chosen('identity, br;q=0.1')).toBeUndefined()
    expect(await chosen('br;q=0')).toBeUndefined()
    expect(await chosen('')).toBeUndefined()
    expect(await chosen('*')).toBe('br')
  })

  it('is told of by HEAD as by GET', async () => {
    for (const headers of [{}, { 'accept-encoding': 'br' }] as Record<string, string>[]) {
      const [get, head] = [await ask(LIST, headers), await ask(LIST, headers, 'HEAD')]
      expect(head.body).toBe('')
      for (const name of ['etag', 'content-length', 'content-type', 'content-encoding', 'link', 'cache-control']) {
        expect([name, head.headers[name]]).toEqual([name, get.headers[name]])
      }
    }
    const known = { 'if-none-match': (await ask(LIST)).headers.etag as string }
    for (const path of [LIST, '/v1/api/changes?limit=3', '/v1/api/events.csv']) {
      for (const headers of [known, { 'if-none-match': '*' }]) {
        const head = await ask(path, headers, 'HEAD')
        if (head.statusCode === 304) expect([path, head.headers['content-length']]).toEqual([path, undefined])
        else expect(headers).toBe(known)
      }
    }
  })

  it('may be kept for a moment', async () => {
    expect((await ask(LIST)).headers['cache-control']).toMatch(/^public, max-age=\d+, stale-while-revalidate=\d+/)
    expect((await ask('/v1/api/events?limit=0')).headers['cache-control']).toBeUndefined()
  })
})
