import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { FormatRegistry } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildApp } from '../../app.ts'
import { EventSchema } from '../../storage/kit/event.ts'
import { createApp, feed, type TestApp } from '../helper.ts'
import { event, list, three } from '../make-feed.ts'
import { type Provider, startProvider } from '../provider.ts'

FormatRegistry.Set('uuid', (text) => /^[0-9a-f-]{36}$/.test(text))
FormatRegistry.Set('date-time', (text) => !Number.isNaN(Date.parse(text)))

let provider: Provider
let service: TestApp
async function start(keys: Record<string, string | number | boolean> = {}) {
  service = await createApp({ sources: { demo: { url: provider.url, ...keys } } })
}
beforeEach(async () => {
  provider = await startProvider()
})
afterEach(async () => {
  await service.close()
  await provider.close()
})

const statuses = async () => Object.fromEntries((await service.events()).map((one) => [one.event_id, one.status]))
const ALL_LISTED = { 1: 'listed', 2: 'listed', 3: 'listed' }

/** Something is listed; then the provider misbehaves. */
async function afterGoodRun(answer: Parameters<Provider['serve']>[0]) {
  provider.serve(three)
  expect(await service.ingest('demo')).toMatchObject({ reason: null, counts: { seen: 3 } })
  provider.serve(answer)
  return service.ingest('demo')
}

describe('a feed that is no whole feed', () => {
  const cases: [string, string, { outcome: string; reason: string }][] = [
    ['nothing', '', { outcome: 'failed', reason: 'not_a_feed' }],
    ['blanks', '  \n ', { outcome: 'failed', reason: 'not_a_feed' }],
    [
      'HTML',
      '<!DOCTYPE html><html><body>Service unavailable</body></html>',
      { outcome: 'failed', reason: 'not_a_feed' }
    ],
    ['XHTML', '<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', { outcome: 'failed', reason: 'not_a_feed' }],
    ['JSON', '{"events": []}', { outcome: 'failed', reason: 'not_a_feed' }],
    ['another root', '<events/>', { outcome: 'failed', reason: 'not_a_feed' }],
    ['the right root with nothing of a feed in it', '<eventList/>', { outcome: 'failed', reason: 'not_a_feed' }],
    ['a DOCTYPE', `<!DOCTYPE eventList>${three}`, { outcome: 'failed', reason: 'doctype' }],
    ['an end cut off', three.slice(0, three.indexOf(event(3)) + 20), { outcome: 'partial', reason: 'truncated' }],
    ['all but the last character', three.slice(0, -1), { outcome: 'partial', reason: 'truncated' }],
    [
      'a fault in the middle',
      three.replace('<base_event base_event_id="3"', '<<base_event'),
      { outcome: 'partial', reason: 'malformed' }
    ],
    ['a second document', three + three, { outcome: 'partial', reason: 'malformed' }]
  ]
  for (const [name, document, expected] of cases) {
    it(`with ${name} delists nothing: ${expected.outcome}, ${expected.reason}`, async () => {
      await start()
      const run = await afterGoodRun(document)
      expect(run).toMatchObject(expected)
      expect(run.detail!.length).toBeGreaterThan(10)
      expect(run.counts).toMatchObject({ created: 0, delisted: 0 })
      expect(await statuses()).toEqual(ALL_LISTED)
      provider.serve(list(event(1)))
      expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { delisted: 2 } })
    })
  }

  it('keeps what could be read of it', async () => {
    await start()
    const document = list(event(1), event(2), event(4), event(5))
    const run = await afterGoodRun(document.slice(0, document.indexOf(event(5)) + 100))
    expect(run).toMatchObject({
      outcome: 'partial',
      reason: 'truncated',
      counts: { seen: 3, created: 1, unchanged: 2 }
    })
    expect(await statuses()).toEqual({ ...ALL_LISTED, 4: 'listed' })
  })
})

describe('a provider', () => {
  it('that is down costs its run', async () => {
    await start()
    provider.serve(three)
    await service.ingest('demo')
    await provider.close()
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'failed', reason: 'connect' })
    expect(await statuses()).toEqual(ALL_LISTED)
  })

  it('that answers with an error costs its run', async () => {
    await start()
    const run = await afterGoodRun((_request, response) => response.writeHead(500).end(three))
    expect(run).toMatchObject({ outcome: 'failed', reason: 'status', detail: 'the provider answered with status 500' })
  })

  it('that cuts a compressed answer is noticed, however it is framed and wherever it is cut', async () => {
    await start()
    const zipped = gzipSync(three)
    for (const framing of [
      { 'content-length': String(zipped.length) },
      { 'transfer-encoding': 'chunked' },
      { connection: 'close' }
    ]) {
      for (const cut of [5, 30, zipped.length >> 1, zipped.length - 9, zipped.length - 1]) {
        provider.serve((_request, response) => {
          response.writeHead(200, { 'content-encoding': 'gzip', ...framing } as Record<string, string>)
          response.write(zipped.subarray(0, cut), () => response.socket!.end())
        })
        const run = await service.ingest('demo')
        expect(run.reason, `${JSON.stringify(framing)} at ${cut}`).toBe('truncated')
      }
    }
  })

  it('that says nothing, or drips, is given up at the deadline', async () => {
    await start({ timeout: 1 })
    const silent = await afterGoodRun(() => undefined)
    expect(silent).toMatchObject({ outcome: 'failed', reason: 'timeout' })
    const dripping = await afterGoodRun((_request, response) => {
      response.writeHead(200)
      let at = 0
      const drip = setInterval(() => response.write(three[at++] ?? ' '), 20)
      response.on('close', () => clearInterval(drip))
    })
    expect(dripping).toMatchObject({ reason: 'timeout' })
    expect(dripping.counts.duration).toBeLessThan(3000)
    expect(await statuses()).toEqual(ALL_LISTED)
  })

  it('that never ends is given up at the cap, also when compressed', async () => {
    await start({ max_mb: 1 })
    const endless = await afterGoodRun((_request, response) => {
      response.writeHead(200)
      response.write('<eventList><output>')
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    })
    expect(endless).toMatchObject({ outcome: 'failed', reason: 'too_large' })
    const bomb = gzipSync(`<eventList><output>${' '.repeat(50_000_000)}`)
    const run = await afterGoodRun((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
    )
    expect(run).toMatchObject({ outcome: 'failed', reason: 'too_large' })
    expect(run.counts.bytes).toBeLessThanOrEqual(1e6)
  })

  it('may compress', async () => {
    await start()
    provider.serve((request, response) => {
      expect(request.headers['accept-encoding']).toContain('gzip')
      response.writeHead(200, { 'content-encoding': 'gzip' })
      const gzip = createGzip()
      gzip.pipe(response)
      gzip.end(three)
    })
    expect(await service.ingest('demo')).toMatchObject({
      outcome: 'complete',
      counts: { created: 3, bytes: three.length }
    })
  })

  it('that sends broken or unknown codings is refused', async () => {
    await start()
    const broken = await afterGoodRun((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(three)
    )
    expect(broken).toMatchObject({ outcome: 'failed', reason: 'encoding' })
    const unknown = await afterGoodRun((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip, br' }).end(three)
    )
    expect(unknown).toMatchObject({ outcome: 'failed', reason: 'encoding' })
  })

  it('may redirect three times, not four, and not out of the web', async () => {
    await start()
    let hops = 0
    const hop = (most: number) => {
      hops = 0
      provider.serve((_request, response) => {
        if (hops++ < most) response.writeHead(302, { location: `/hop${hops}` }).end()
        else response.writeHead(200).end(three)
      })
    }
    hop(3)
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete' })
    hop(4)
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'failed', reason: 'redirect' })
    provider.serve((_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end())
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'failed', reason: 'redirect' })
  })

  it('that does not speak HTTP is told apart from a fault of ours', async () => {
    await start()
    const run = await afterGoodRun((request) => void request.socket.end('SSH-2.0-foo\r\n'))
    expect(run).toMatchObject({ outcome: 'failed', reason: 'protocol' })
  })

  it('whose refusal or redirect has a body that never comes is not waited for', async () => {
    await start()
    const stall =
      (status: number, headers: Record<string, string>) => (request: IncomingMessage, response: ServerResponse) => {
        if (request.url === '/elsewhere') response.end(three)
        else response.writeHead(status, { 'content-length': '100', ...headers }).write('abc')
      }
    const started = performance.now()
    expect(await afterGoodRun(stall(500, {}))).toMatchObject({ outcome: 'failed', reason: 'status' })
    expect(await afterGoodRun(stall(302, { location: '/elsewhere' }))).toMatchObject({
      reason: null,
      counts: { seen: 3 }
    })
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('is asked conditionally, and a 304 changes nothing but the freshness', async () => {
    await start()
    provider.serve((request, response) => {
      const headers = { etag: '"v1"', 'last-modified': 'Wed, 01 May 2030 10:00:00 GMT' }
      if (request.headers['if-none-match'] === '"v1"') response.writeHead(304, headers).end()
      else response.writeHead(200, headers).end(three)
    })
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete' })
    const { meta } = (await service.get('/v1/api/events')).body
    await sleep(1100)
    expect(await service.ingest('demo')).toMatchObject({
      outcome: 'unchanged',
      reason: null,
      counts: { seen: 0, delisted: 0 }
    })
    expect(provider.requests[1]!.headers).toMatchObject({
      'if-none-match': '"v1"',
      'if-modified-since': 'Wed, 01 May 2030 10:00:00 GMT'
    })
    const after = (await service.get('/v1/api/events')).body.meta
    expect(after.revision).toBe(meta.revision)
    expect(after.sources[0]!.last_success_at! > meta.sources[0]!.last_success_at!).toBe(true)
    expect(await statuses()).toEqual(ALL_LISTED)
  })

  it('is not believed to have nothing new when a later run broke off and had written something', async () => {
    await start()
    let version = 1
    provider.serve((request, response) => {
      const etag = `"v${version}"`
      if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end()
      else if (version === 1) response.writeHead(200, { etag }).end(three)
      else response.writeHead(200, { etag }).end(list(event(1).replace('Event 1', 'WRONG'), event(4)).slice(0, -5))
    })
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete' })
    version = 2
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'partial', counts: { created: 1, updated: 1 } })
    version = 1
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { updated: 1, delisted: 1 } })
    expect(await statuses()).toEqual({ ...ALL_LISTED, 4: 'delisted' })
  })

  it('is not believed to have nothing new after a run that was not complete', async () => {
    await start()
    provider.serve((_request, response) => response.writeHead(200, { etag: '"v1"' }).end(three.slice(0, -1)))
    await service.ingest('demo')
    await service.ingest('demo')
    expect(provider.requests[1]!.headers['if-none-match']).toBeUndefined()
  })
})

describe('a record', () => {
  it('that is rejected but says who it is counts as still listed', async () => {
    await start()
    const run = await afterGoodRun(list(event(1), event(2, { event_start_date: 'soon' })))
    expect(run).toMatchObject({ outcome: 'complete', counts: { unchanged: 1, rejected: 1, delisted: 1 } })
    expect(await statuses()).toEqual({ 1: 'listed', 2: 'listed', 3: 'delisted' })
  })

  const wrong: [string, Record<string, string>, string][] = [
    ['start_date', { event_start_date: '2021-09-31T20:00:00' }, 'start_date "2021-09-31T20:00:00" is not a date'],
    ['start_date', { event_start_date: '2030-05-01T24:00:00' }, 'start_date "2030-05-01T24:00:00" is not a date'],
    [
      'start_date',
      { event_start_date: '2030-05-01T20:00:00+02:00' },
      'start_date "2030-05-01T20:00:00+02:00" is not a date'
    ],
    ['end_date', { event_end_date: '2035-05-01T19:59:59' }, 'end_date 2035-05-01T19:59:59 is before start_date'],
    ['sell_to', { sell_to: '' }, 'sell_to "" is not a date'],
    ['sold_out', { sold_out: 'yes' }, 'sold_out "yes" is not true or false'],
    ['event_id', { event_id: '' }, 'event_id "" is not usable']
  ]
  for (const [field, changes, reason] of wrong) {
    it(`with a wrong ${field} says so: ${reason}`, async () => {
      await start()
      provider.serve(list(event(1), event(2, changes)))
      expect(await service.ingest('demo')).toMatchObject({ counts: { created: 1, rejected: 1 } })
      const { body } = await service.get('/v1/api/sources/demo/rejects')
      expect(body.data[0]!.reason).toContain(reason)
    })
  }

  it('may have line breaks and tabs in it, which XML makes spaces of', async () => {
    await start()
    provider.serve(list(event(1).replace('Event 1', 'Two\nlines\tand\r\nmore')))
    expect(await service.ingest('demo')).toMatchObject({ counts: { created: 1, rejected: 0 } })
    expect((await service.events())[0]!.title).toBe('Two lines and more')
  })

  it('says which zone is wrong', async () => {
    await start()
    for (const [from, to, reason] of [
      ['capacity="10"', 'capacity="-1"', 'zone[1]/capacity "-1" is not a whole number'],
      ['price="20.50"', 'price="free"', 'zone[1]/price "free" is not a price'],
      ['price="20.50"', 'price="1e9"', 'zone[1]/price "1e9" is not a price'],
      ['name="A"', '', 'zone[1]/name is missing']
    ]) {
      provider.serve(list(event(1).replace(from!, to!)))
      expect(await service.ingest('demo')).toMatchObject({ counts: { rejected: 1 } })
      expect((await service.get('/v1/api/sources/demo/rejects')).body.data[0]!.reason).toBe(reason)
    }
  })

  it('may end when it starts, have no end, no organizer, no zones, and what nobody knows', async () => {
    await start()
    provider.serve(
      list(
        event(1, { event_end_date: '2035-05-01T20:00:00', novelty: 'x' }),
        event(2).replace(/ event_end_date="[^"]*"/, ''),
        event(3).replace(/<zone .*\/>/, '<novelty><deep/></novelty>')
      )
    )
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { created: 3 } })
    const events = await service.events()
    for (const one of events) expect([...Value.Errors(EventSchema, one)]).toEqual([])
    expect(events.find((one) => one.event_id === '2')).toMatchObject({
      end_date: null,
      ends_at: null,
      organizer_company_id: null
    })
    expect(events.find((one) => one.event_id === '3')).toMatchObject({ zones: [], min_price: null, max_price: null })
  })
})

describe('a source', () => {
  it('read from a file that is not there fails, and says so without the path', async () => {
    await start({ url: 'file:nowhere.xml' })
    expect(await service.ingest('demo')).toMatchObject({
      outcome: 'failed',
      reason: 'file',
      detail: 'the file cannot be read (ENOENT)'
    })
  })

  it('is read by one run at a time', async () => {
    await start()
    let answer: (() => void) | undefined
    provider.serve((_request, response) => {
      answer = () => response.writeHead(200).end(three)
    })
    const first = service.app.jobs.run('source:demo')
    while (answer === undefined) await sleep(5)
    expect(await Promise.all([1, 2, 3].map(() => service.app.jobs.run('source:demo')))).toEqual([false, false, false])
    answer()
    expect(await first).toBe(true)
    expect(provider.requests).toHaveLength(1)
  })

  it('whose run is under way when the service closes is aborted, recorded and awaited', async () => {
    await start()
    provider.serve((_request, response) => {
      response.writeHead(200)
      response.write(three.slice(0, three.indexOf(event(3))))
    })
    const running = service.app.jobs.run('source:demo')
    while (provider.requests.length === 0) await sleep(5)
    await sleep(100)
    await service.app.close()
    expect(await running).toBe(true)
    const next = await buildApp({ config: service.app.config, tick: false })
    const recorded = (await next.storage.runs('demo', { limit: 1 })).items[0]
    await next.close()
    expect(recorded).toMatchObject({ outcome: 'aborted', reason: 'aborted', counts: { seen: 2, created: 2 } })
  })

  it('is read anew when its settings change, whatever the provider says', async () => {
    await start()
    provider.serve(await feed('v1-snapshot'))
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete' })
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'unchanged' })
    Object.assign(service.app.sources.list[0]!, { timezone: 'Asia/Tokyo' })
    expect(await service.ingest('demo')).toMatchObject({ outcome: 'complete', counts: { updated: 3 } })
  })
})
