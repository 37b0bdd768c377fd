import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'

let service: TestApp
beforeAll(async () => {
  const url = (name: string) => new URL(`../feeds/${name}.xml`, import.meta.url).href
  service = await createApp({
    sources: {
      demo: { url: url('v2-snapshot-1'), timezone: 'Europe/Madrid' },
      old: { url: url('v1-snapshot'), timezone: 'Europe/Madrid' },
      plans: { url: url('v3-snapshot'), timezone: 'America/New_York' }
    }
  })
  for (const name of ['demo', 'old', 'plans']) await service.ingest(name)
})
afterAll(() => service.close())

const list = async (query: string) => {
  const { status, body } = await service.get(`/v1/api/events?${query}`)
  if (status !== 200) throw new Error(body.detail)
  return body
}
const ids = async (query: string) => (await list(query)).data.map(({ source, event_id }) => `${source} ${event_id}`)

describe('filters', () => {
  it('of words find titles without case and accents, the last word by its beginning', async () => {
    expect(await ids('source=demo&q=CAMÉLA conc')).toEqual(await ids('source=demo&q=concierto camela'))
    expect(await ids('source=demo&q=camela')).toHaveLength(1)
    expect(await ids('source=demo&q=mela')).toEqual([])
  })

  it('of zones must hold of one zone', async () => {
    const [event] = (await list('source=demo&q=camela')).data
    const dearest = event!.zones.toSorted((a, b) => b.price - a.price)[0]!
    const cheapest = event!.zones.toSorted((a, b) => a.price - b.price)[0]!
    expect(dearest.price).toBeGreaterThan(cheapest.price)
    const of = (zone: { price: number; capacity: number }) =>
      `source=demo&q=camela&min_price=${zone.price}&max_price=${zone.price}&min_capacity=${zone.capacity}`
    expect(await ids(of(dearest))).toHaveLength(1)
    const capacity = Math.max(...event!.zones.map((zone) => zone.capacity)) + 1
    expect(await ids(of({ price: dearest.price, capacity }))).toEqual([])
  })

  it('take several values', async () => {
    expect(await ids('source=demo,old&sell_mode=any')).toEqual(await ids('source=old,demo&sell_mode=any'))
    expect((await ids('source=demo,old&sell_mode=any')).length).toBe(
      (await ids('source=demo&sell_mode=any')).length + (await ids('source=old&sell_mode=any')).length
    )
    expect(await ids('base_event_id=291,322&source=demo')).toHaveLength(2)
    expect(await ids('status=delisted')).toEqual([])
    expect(await ids('status=listed,delisted')).toEqual(await ids(''))
  })

  it('of time say whose day is meant', async () => {
    // It starts at 20:00 in Madrid, which is 20 o'clock of no other day anywhere near; in Auckland it is the next morning.
    expect(await ids('source=demo&base_event_id=1591&start_date=2021-07-31&end_date=2021-07-31')).toHaveLength(1)
    const on = (day: string, tz: string) =>
      ids(`source=demo&base_event_id=1591&match=starts&start_date=${day}&end_date=${day}&tz=${tz}`)
    expect([await on('2021-07-31', 'Pacific/Auckland'), await on('2021-08-01', 'Pacific/Auckland')]).toEqual([
      [],
      ['demo 1642']
    ])
  })

  it('of availability look at what is now', async () => {
    expect(await ids('available=true&sell_mode=any')).toEqual([])
    expect(await ids('available=false&sell_mode=any')).toEqual(await ids('sell_mode=any'))
  })

  const refused: [string, string][] = [
    ['tz=Mars/Olympus', 'tz'],
    ['tz=%2B01:00', 'tz'],
    ['q=', 'q'],
    ['q=!!!', 'q'],
    [`q=${'a '.repeat(30)}b`.replace(/a /g, () => `${Math.random().toString(36).slice(2)} `), 'q'],
    ['min_price=-1', 'min_price'],
    ['min_price=Infinity', 'min_price'],
    ['min_price=5&max_price=4', 'max_price'],
    ['free=true&min_price=1', 'free'],
    ['free=yes', 'free'],
    ['min_capacity=1.5', 'min_capacity'],
    ['zone=', 'zone'],
    ['zone=%CC%81', 'zone'],
    ['status=listed,gone', 'status'],
    ['source=demo,', 'source'],
    ['source=Demo', 'source'],
    ['base_event_id=', 'base_event_id'],
    ['base_event_id=1,,2', 'base_event_id'],
    [`organizer_company_id=${'1,'.repeat(60)}1`, 'organizer_company_id'],
    [`base_event_id=${Array.from({ length: 51 }, (_, i) => i).join()}`, 'base_event_id'],
    ['updated_since=2021-01-01', 'updated_since'],
    ['as_of=tomorrow', 'as_of'],
    ['as_of=2999-01-01T00:00:00Z', 'as_of'],
    ['as_of=%2B1h', 'as_of'],
    ['sort=price', 'sort'],
    ['sort=--start', 'sort'],
    ['fields=id,colour', 'fields'],
    ['fields=', 'fields'],
    ['fields=__proto__', 'fields'],
    ['count=maybe', 'count']
  ]
  for (const [query, parameter] of refused) {
    it(`refuse ${query.slice(0, 40)}`, async () => {
      const { status, body } = await service.get(`/v1/api/events?${query}`)
      expect([status, body.code, body.parameter]).toEqual([400, 'invalid_parameter', parameter])
      expect(body.allowed.length).toBeGreaterThan(5)
    })
  }
})

describe('pages', () => {
  it('are in the order that was asked for, both ways', async () => {
    for (const key of ['start', 'end', 'title', 'updated', 'min_price']) {
      const up = await ids(`sell_mode=any&sort=${key}`)
      expect(up).toHaveLength(10)
      expect(await ids(`sell_mode=any&sort=-${key}`)).toEqual(up.toReversed())
    }
    const titles = (await list('sell_mode=any&sort=title')).data.map(({ title }) => title.toLowerCase())
    expect(titles).toEqual(titles.toSorted())
  })

  it('go on where they ended in every order', async () => {
    for (const key of ['start', '-end', 'title', '-updated', 'min_price', '-min_price']) {
      const seen: string[] = []
      let cursor = ''
      do {
        const { data, page } = await list(`sell_mode=any&limit=3&sort=${key}${cursor && `&cursor=${cursor}`}`)
        seen.push(...data.map(({ source, event_id }) => `${source} ${event_id}`))
        cursor = page.next_cursor ?? ''
      } while (cursor !== '')
      expect(seen).toEqual(await ids(`sell_mode=any&sort=${key}`))
    }
  })

  it('take no cursor that was changed, made up, or belongs to another query', async () => {
    const { page } = await list('sell_mode=any&limit=2')
    const cursor = page.next_cursor!
    const flipped = cursor.slice(0, -1) + (cursor.endsWith('A') ? 'B' : 'A')
    const bytes = Buffer.from(cursor, 'base64url')
    bytes[20]! ^= 1
    const wrong = [flipped, bytes.toString('base64url'), `${cursor}=`, `${cursor}AAAA`, cursor.slice(4), 'AAAA', '%00']
    for (const one of wrong) {
      const { status, body } = await service.get(`/v1/api/events?sell_mode=any&limit=2&cursor=${one}`)
      expect([one, status, body.parameter]).toEqual([one, 400, 'cursor'])
    }
    for (const query of ['', 'sell_mode=online', 'sell_mode=any&sort=-start', 'sell_mode=any&q=a']) {
      const { status, body } = await service.get(`/v1/api/events?${query}&cursor=${cursor}`)
      expect([status, body.parameter, body.detail]).toEqual([400, 'cursor', 'cursor belongs to another query.'])
    }
    // Said otherwise it is the same query.
    expect((await service.get(`/v1/api/events?match=within&limit=5&sell_mode=any&cursor=${cursor}`)).status).toBe(200)
    expect((await service.get(`/v1/api/sources/demo/runs?cursor=${cursor}`)).status).toBe(400)
  })

  it('mean by "now" what it was on the first of them', async () => {
    const query = 'sell_mode=any&end_date=now&limit=4'
    const first = await list(query)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 })
    const second = await list(`${query}&cursor=${first.page.next_cursor}`)
    vi.useRealTimers()
    expect([...first.data, ...second.data]).toEqual((await list('sell_mode=any&limit=8')).data)
  })

  it('say how many there are in all', async () => {
    expect((await list('sell_mode=any&limit=1&count=true')).page).toMatchObject({
      total: { value: 10, relation: 'exactly' }
    })
    expect((await list('sell_mode=any&limit=1')).page).not.toHaveProperty('total')
    vi.spyOn(service.app.storage, 'count').mockResolvedValue(10_001)
    expect((await list('sell_mode=any&limit=2&count=true')).page).toMatchObject({
      total: { value: 10_000, relation: 'more_than' }
    })
    vi.restoreAllMocks()
  })

  it('have the fields that were asked for', async () => {
    const whole = (await list('sell_mode=any')).data
    const { data } = await list('sell_mode=any&fields=title,id,zones')
    expect(data).toEqual(whole.map(({ id, title, zones }) => ({ id, title, zones })))
    expect(Object.keys(data[0]!)).toEqual(['id', 'title', 'zones'])
  })
})
