import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp, feed, type TestApp } from '../helper.ts'

let service: TestApp
beforeAll(async () => {
  const source = (name: string) => ({
    url: new URL(`../feeds/${name}.xml`, import.meta.url).href,
    timezone: 'Europe/Madrid'
  })
  service = await createApp({
    sources: { demo: source('v2-snapshot-1'), old: source('v1-snapshot'), plans: source('v3-snapshot') }
  })
  for (const name of ['demo', 'old', 'plans']) await service.ingest(name)
})
afterAll(() => service.close())

const titles = async (query: string) =>
  (await service.get(`/v1/api/events?${query}`)).body.data.map((event) => `${event.source} ${event.base_event_id}`)

const forged = (time: string) =>
  Buffer.from(JSON.stringify(['x', time, '00000000-0000-5000-8000-000000000000'])).toString('base64url')

describe('GET /v1/api/events', () => {
  it('answers between dates as the feed writes them', async () => {
    const { status, headers, body } = await service.get(
      '/v1/api/events?start_date=2021-06-01T00:00:00&end_date=2021-07-01T00:00:00&source=demo'
    )
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    expect(body.data).toHaveLength(1)
    expect(body.data[0]).toMatchObject({
      source: 'demo',
      title: 'Camela en concierto',
      start_date: '2021-06-30T21:00:00'
    })
    expect(body.page).toEqual({ limit: 100, next_cursor: null, has_more: false })
    expect(body.meta.revision).toBeGreaterThan(0)
    expect(body.meta.sources).toMatchObject([
      { name: 'demo', stale: false },
      { name: 'old', stale: false },
      { name: 'plans', stale: false }
    ])
  })

  it('takes an instant, a day, and one bound alone', async () => {
    expect(await titles('source=demo&start_date=2021-07-31T18:00:00Z&end_date=2021-07-31T19:00:00Z')).toEqual([
      'demo 1591'
    ])
    expect(await titles('source=demo&start_date=2021-07-31T20:00:00%2B02:00')).toEqual(['demo 1591'])
    expect(await titles('source=demo&start_date=2021-07-31T20:00:00+02:00')).toEqual(['demo 1591'])
    expect(await titles('source=demo&start_date=2021-07-31T18:00:00.5Z')).toEqual([])
    expect(await titles('source=demo&start_date=2021-07-31&end_date=2021-07-31')).toEqual(['demo 1591'])
    expect(await titles('source=demo&end_date=2021-06-30')).toEqual(['demo 322', 'demo 291'])
    expect(await titles('source=demo')).toEqual(['demo 322', 'demo 291', 'demo 1591'])
  })

  it('matches as it is told', async () => {
    const night = 'source=demo&start_date=2021-06-30T21:30:00&end_date=2021-06-30T23:00:00'
    expect(await titles(night)).toEqual([])
    expect(await titles(`${night}&match=overlaps`)).toEqual(['demo 291'])
    const eve = 'source=demo&start_date=2021-06-30T20:00:00&end_date=2021-06-30T21:30:00'
    expect(await titles(eve)).toEqual([])
    expect(await titles(`${eve}&match=starts`)).toEqual(['demo 291'])
  })

  it('leaves out what was never sold online, unless asked', async () => {
    expect(await titles('source=old')).toEqual(['old 291', 'old 1591'])
    expect(await titles('source=old&sell_mode=online')).toEqual(['old 291', 'old 1591'])
    expect(await titles('source=old&sell_mode=offline')).toEqual(['old 322'])
    expect(await titles('source=old&sell_mode=any')).toEqual(['old 322', 'old 291', 'old 1591'])
  })

  it('pages with a cursor and a link, and never cuts silently', async () => {
    const seen: string[] = []
    let url: string | undefined = '/v1/api/events?sell_mode=any&limit=3'
    while (url !== undefined) {
      const { body, headers } = await service.get(url)
      seen.push(...body.data.map((event) => event.id))
      expect(body.page.has_more).toBe(body.page.next_cursor !== null)
      const link = headers.link as string | undefined
      expect(link).toContain('</v1/api/events?sell_mode=any&limit=3>; rel="first"')
      url = /^<([^>]+)>; rel="next"/.exec(link ?? '')?.[1]
      expect(url !== undefined).toBe(body.page.has_more)
      if (url !== undefined) expect(new URLSearchParams(url.split('?')[1]).get('cursor')).toBe(body.page.next_cursor)
    }
    expect(seen).toEqual((await service.events()).map((event) => event.id))
    expect(seen).toHaveLength(10)
  })

  it('answers HEAD', async () => {
    const response = await service.app.inject({ method: 'HEAD', url: '/v1/api/events' })
    expect([response.statusCode, response.body]).toEqual([200, ''])
  })

  const refused: [string, string, string][] = [
    ['a date that the calendar lacks', 'start_date=2021-09-31T20:00:00', 'start_date'],
    ['a day that the calendar lacks', 'end_date=2023-02-29', 'end_date'],
    ['the hour 24', 'start_date=2021-01-01T24:00:00', 'start_date'],
    ['a leap second', 'start_date=2021-01-01T23:59:60Z', 'start_date'],
    ['the year 0', 'start_date=0000-01-01', 'start_date'],
    ['an offset out of range', 'start_date=2021-01-01T00:00:00%2B24:00', 'start_date'],
    ['an instant outside of the calendar', 'start_date=9999-12-31T23:59:59-01:00', 'start_date'],
    ['no seconds', 'start_date=2021-01-01T00:00', 'start_date'],
    ['words', 'start_date=noon', 'start_date'],
    ['nothing', 'start_date=', 'start_date'],
    ['a reversed range', 'start_date=2021-07-01T00:00:00&end_date=2021-06-01T00:00:00', 'end_date'],
    ['a reversed range of instants', 'start_date=2021-07-01T00:00:00Z&end_date=2021-06-01T00:00:00Z', 'end_date'],
    ['a range reversed in every zone', 'start_date=2021-07-01T00:00:00Z&end_date=2020-01-01', 'end_date'],
    ['limit 0', 'limit=0', 'limit'],
    ['limit 1001', 'limit=1001', 'limit'],
    ['a limit with a fraction', 'limit=1.5', 'limit'],
    ['a limit in words', 'limit=ten', 'limit'],
    ['an unknown match', 'match=near', 'match'],
    ['an unknown sell_mode', 'sell_mode=gift', 'sell_mode'],
    ['a source with odd characters', 'source=%00', 'source'],
    ['an unknown parameter', 'colour=blue', 'colour'],
    ['an operator', 'source[$ne]=x', 'source[$ne]'],
    ['__proto__', '__proto__=x', '__proto__'],
    ['a parameter twice', 'limit=1&limit=2', 'limit'],
    ['a date twice', 'start_date=2021-01-01&start_date=2021-01-01', 'start_date'],
    ['a cursor that is none', 'cursor=abc', 'cursor'],
    ['an empty cursor', 'cursor=', 'cursor'],
    [
      'a cursor of our form with other values',
      `cursor=${Buffer.from('["x","a","b"]').toString('base64url')}`,
      'cursor'
    ],
    ['a cursor with an impossible time', `cursor=${forged('2021-99-99T99:99:99Z')}`, 'cursor'],
    ['10 kB', `source=${'x'.repeat(10_000)}`, 'source']
  ]
  for (const [name, query, parameter] of refused) {
    it(`refuses ${name} and names ${parameter}`, async () => {
      const { status, headers, body } = await service.get(`/v1/api/events?${query}`)
      expect(status).toBe(400)
      expect(headers['content-type']).toBe('application/problem+json; charset=utf-8')
      expect(body).toMatchObject({
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        code: 'invalid_parameter',
        parameter
      })
      expect(body.detail.length).toBeGreaterThan(10)
      expect(body.allowed.length).toBeGreaterThan(5)
    })
  }

  it('names all that is wrong', async () => {
    const { body } = await service.get('/v1/api/events?limit=0&match=near&colour=blue')
    expect(body.errors.map((error) => error.parameter).sort()).toEqual(['colour', 'limit', 'match'])
  })

  it('refuses the cursor of another query', async () => {
    const { body } = await service.get('/v1/api/events?limit=1')
    const again = await service.get(`/v1/api/events?limit=2&cursor=${body.page.next_cursor}`)
    expect(again.status).toBe(200)
    const other = await service.get(`/v1/api/events?limit=1&sell_mode=any&cursor=${body.page.next_cursor}`)
    expect(other).toMatchObject({ status: 400, body: { parameter: 'cursor', code: 'invalid_parameter' } })
  })
})

describe('GET /v1/api/events/{id}', () => {
  it('answers with one event, the same as in the list', async () => {
    const [event] = await service.events()
    expect(await service.get(`/v1/api/events/${event!.id}`)).toMatchObject({ status: 200, body: event })
  })

  it('says when there is none, and when it is no id', async () => {
    const none = await service.get('/v1/api/events/00000000-0000-5000-8000-000000000000')
    expect(none).toMatchObject({ status: 404, body: { code: 'not_found' } })
    const bad = await service.get('/v1/api/events/42')
    expect(bad).toMatchObject({ status: 400, body: { code: 'invalid_parameter', parameter: 'id' } })
    const long = await service.get(`/v1/api/events/${'x'.repeat(900)}`)
    expect(long).toMatchObject({ status: 400, body: { code: 'invalid_parameter', parameter: 'id' } })
    const unknown = await service.get(`/v1/api/events/${(await service.events())[0]!.id}?a=1`)
    expect(unknown).toMatchObject({ status: 400, body: { parameter: 'a' } })
  })
})

describe('everything else', () => {
  it('says what is not there', async () => {
    expect(await service.get('/v2/nothing')).toMatchObject({ status: 404, body: { code: 'not_found', status: 404 } })
    expect(await service.get('/v1/api/docs/ui/static/nope.js')).toMatchObject({
      status: 404,
      body: { code: 'not_found' }
    })
    expect(await service.get('/livez?verbose=1')).toMatchObject({ status: 400, body: { parameter: 'verbose' } })
    expect(await service.get('/v1/api/sources/nobody')).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect(await service.get('/v1/api/sources/nobody/runs')).toMatchObject({ status: 404, body: { code: 'not_found' } })
  })

  it('says which methods there are', async () => {
    for (const url of ['/v1/api/events', '/v1/api/events/42', '/livez']) {
      const response = await service.app.inject({ method: 'DELETE', url })
      expect(response.statusCode).toBe(405)
      expect(response.headers.allow).toBe('GET, HEAD')
      expect(response.json()).toMatchObject({ code: 'method_not_allowed', status: 405 })
    }
  })

  it('refuses what is not even a path', async () => {
    const response = await service.app.inject('/v1/api/events/%E0%A4%A')
    expect(response.statusCode).toBe(400)
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(response.json()).toMatchObject({ code: 'bad_request' })
  })

  it('leaves a body alone that nobody asked for', async () => {
    const response = await service.app.inject({
      method: 'POST',
      url: '/v1/api/events',
      payload: await feed('v1-snapshot')
    })
    expect(response.statusCode).toBe(405)
  })
})

describe('GET /v1/api/sources', () => {
  it('tells how each one is doing', async () => {
    const { body } = await service.get('/v1/api/sources')
    expect(body.data).toHaveLength(3)
    expect(body.data[0]).toMatchObject({
      name: 'demo',
      adapter: 'provider-xml',
      cron: '*/5 * * * *',
      timezone: 'Europe/Madrid',
      enabled: true,
      stale: false,
      last_run: { outcome: 'complete', counts: { seen: 3, created: 3 } }
    })
    expect((await service.get('/v1/api/sources/demo')).body).toEqual(body.data[0])
  })

  it('pages through runs', async () => {
    for (let i = 0; i < 3; i++) await service.ingest('plans')
    const all = (await service.get('/v1/api/sources/plans/runs')).body.data
    expect(all.map((run) => run.outcome)).toEqual(['unchanged', 'unchanged', 'unchanged', 'complete'])
    const first = await service.get('/v1/api/sources/plans/runs?limit=3')
    expect(first.headers.link).toContain('rel="next"')
    const second = await service.get(`/v1/api/sources/plans/runs?limit=3&cursor=${first.body.page.next_cursor}`)
    expect([...first.body.data, ...second.body.data]).toEqual(all)
    const other = await service.get(`/v1/api/sources/demo/runs?cursor=${first.body.page.next_cursor}`)
    expect(other).toMatchObject({ status: 400, body: { parameter: 'cursor' } })
  })

  it('refuses what it does not know', async () => {
    expect(await service.get('/v1/api/sources/demo/runs?limit=0')).toMatchObject({
      status: 400,
      body: { parameter: 'limit' }
    })
    expect(await service.get('/v1/api/sources/demo/rejects?a=1')).toMatchObject({
      status: 400,
      body: { parameter: 'a' }
    })
  })
})
