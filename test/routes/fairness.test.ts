import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp, type TestApp } from '../helper.ts'

let service: TestApp
afterEach(() => service.close())

const ask = (headers: Record<string, string> = {}, remoteAddress = '198.51.100.1', url = '/v1/api/events') =>
  service.app.inject({ url, headers, remoteAddress })

describe('a limit per client', () => {
  it('is not there unless it is set', async () => {
    service = await createApp()
    const { headers } = await ask()
    expect(Object.keys(headers).filter((name) => name.startsWith('ratelimit'))).toEqual([])
  })

  it('is told with each answer, also from memory, and then 429', async () => {
    service = await createApp({ server: { rate_limit: 3 } })
    for (const left of [2, 1, 0]) {
      const { statusCode, headers } = await ask()
      expect([statusCode, headers['ratelimit-limit'], headers['ratelimit-remaining']]).toEqual([200, '3', String(left)])
    }
    for (const url of ['/v1/api/events', '/v1/api/sources', '/v1/api/events.csv']) {
      const refused = await ask({}, '198.51.100.1', url)
      expect(refused.statusCode).toBe(429)
      expect(refused.headers['content-type']).toBe('application/problem+json; charset=utf-8')
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
      expect(refused.json()).toMatchObject({ status: 429, code: 'rate_limited' })
    }
    expect((await ask({}, '198.51.100.2')).statusCode).toBe(200)
    expect((await service.app.inject('/livez')).headers).not.toHaveProperty('ratelimit-limit')
  })

  it('is of an address, or of an IPv6 network; nobody may say that he is somebody else', async () => {
    service = await createApp({ server: { rate_limit: 1 } })
    const statuses = async (...addresses: string[]) => {
      const found = []
      for (const address of addresses) found.push((await ask({ 'x-forwarded-for': address }, address)).statusCode)
      return found
    }
    expect(await statuses('2001:db8::1', '2001:db8::2', '2001:db8:0:1::1')).toEqual([200, 429, 200])
    expect((await ask({ 'x-forwarded-for': '203.0.113.1' })).statusCode).toBe(200)
    expect((await ask({ 'x-forwarded-for': '203.0.113.2' })).statusCode).toBe(429)
  })

  it('is of an address, whatever port it comes from and however it is written', async () => {
    service = await createApp({ server: { rate_limit: 1, trust_proxy: '1' } })
    const from = async (address: string) => (await ask({ 'x-forwarded-for': address })).statusCode
    for (const same of [
      ['203.0.113.1:4711', '203.0.113.1:4712', '203.0.113.1', '::ffff:203.0.113.1'],
      ['[2001:db8::1]:4711', '[2001:db8::2]:4712', '2001:db8::3', '[2001:DB8:0:0::4]'],
      ['unknown', 'unknown']
    ]) {
      const statuses = []
      for (const address of same) statuses.push(await from(address))
      expect([same, statuses]).toEqual([same, [200, ...same.slice(1).map(() => 429)]])
    }
    expect([await from('203.0.113.2:4711'), await from('::ffff:203.0.113.3')]).toEqual([200, 200])
  })

  it.each(['1', '198.51.100.0/24', '192.0.2.7, 198.51.100.1'])(
    'is of who a trusted proxy says: %s',
    async (proxies) => {
      service = await createApp({ server: { rate_limit: 1, trust_proxy: proxies } })
      const from = async (address: string) => (await ask({ 'x-forwarded-for': address })).statusCode
      expect([await from('203.0.113.1'), await from('203.0.113.2'), await from('203.0.113.1')]).toEqual([200, 200, 429])
      // What stands before the last one is what the client says.
      expect(await from('203.0.113.9, 203.0.113.2')).toBe(429)
    }
  )
})

describe('too much to do', () => {
  it('is 503 at once, until it is over; who asks whether it is well is answered', async () => {
    service = await createApp({ server: { overload_ms: 30 } })
    const untilAnswered = async () => {
      while ((await ask()).statusCode !== 200) await sleep(200)
    }
    await sleep(1100)
    await untilAnswered()
    for (let i = 0; i < 8; i++) {
      const until = performance.now() + 200
      while (performance.now() < until);
      await nextTurn()
    }
    const refused = await ask()
    expect([refused.statusCode, refused.headers['retry-after'], refused.json().code]).toEqual([503, '5', 'overloaded'])
    expect((await service.app.inject('/livez')).statusCode).toBe(200)
    await untilAnswered()
  })
})

describe('pages of other origins', () => {
  it('may read nothing unless they are named', async () => {
    service = await createApp()
    expect((await ask({ origin: 'https://site.example' })).headers).not.toHaveProperty('access-control-allow-origin')
  })

  it('may read the API where they are named', async () => {
    service = await createApp({ server: { cors_origins: 'https://site.example, https://other.example:8443' } })
    const allowed = async (origin: string) => (await ask({ origin })).headers['access-control-allow-origin']
    for (let i = 0; i < 2; i++) {
      expect(await allowed('https://site.example')).toBe('https://site.example')
      expect(await allowed('https://other.example:8443')).toBe('https://other.example:8443')
      expect(await allowed('https://evil.example')).toBeUndefined()
    }
    const { headers } = await ask({ origin: 'https://site.example' })
    expect(String(headers.vary).split(', ').sort()).toEqual(['Accept-Encoding', 'Origin'])
    expect(headers['access-control-expose-headers']).toContain('ETag')
    const preflight = await service.app.inject({
      method: 'OPTIONS',
      url: '/v1/api/events',
      headers: { origin: 'https://site.example', 'access-control-request-method': 'GET' }
    })
    expect(preflight.statusCode).toBe(204)
    expect(preflight.headers['access-control-allow-methods']).toBe('GET, HEAD')
    expect((await service.app.inject('/v1/api/nothing')).statusCode).toBe(404)
  })

  it('may all read it with *', async () => {
    service = await createApp({ server: { cors_origins: '*' } })
    expect((await ask({ origin: 'https://any.example' })).headers['access-control-allow-origin']).toBe('*')
  })
})
