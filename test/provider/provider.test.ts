import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Provider, startProvider } from '../provider.ts'
import { blankFeed, repeat } from './bodies.ts'
import { faulty } from './faults.ts'
import { writeFeed, writeVersion } from './feeds.ts'
import { SCENARIOS } from './scenarios.ts'
import { inCircles, inTurn, redirectChain } from './scripts.ts'
import { honest, lying } from './validators.ts'

let provider: Provider
beforeEach(async () => {
  provider = await startProvider()
})
afterEach(() => provider.close())

/** All that comes over the wire, to the end of the connection. */
async function raw(path = '/feed.xml'): Promise<string> {
  const socket = connect(Number(new URL(provider.url).port), '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: provider\r\nconnection: close\r\n\r\n`)
  return (await buffer(socket)).toString('latin1')
}
const ask = async (headers: Record<string, string> = {}) => {
  const response = await fetch(provider.url, { headers, redirect: 'manual' })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

describe('an answer', () => {
  it('is framed as it says, also when it is cut', async () => {
    const body = 'x'.repeat(1000)
    provider.serve({ body, framing: 'content-length', cutAfter: 400 })
    expect(await raw()).toMatch(/content-length: 1000\r\n.*\r\n\r\nx{400}$/s)
    provider.serve({ body, framing: 'chunked', cutAfter: 400 })
    expect(await raw()).toMatch(/transfer-encoding: chunked\r\n\r\n190\r\nx{400}\r\n$/i)
    provider.serve({ body, framing: 'chunked' })
    expect(await raw()).toMatch(/\r\n3e8\r\nx{1000}\r\n0\r\n\r\n$/)
    provider.serve({ body, framing: 'close', cutAfter: 400 })
    const bare = await raw()
    expect(bare).toMatch(/\r\n\r\nx{400}$/)
    expect(bare).not.toMatch(/content-length|transfer-encoding/i)
  })

  it('can be compressed, whole and in pieces, and cut then', async () => {
    provider.serve({ body: 'x'.repeat(1000), gzip: true, framing: 'close' })
    const [, body] = (await raw()).split('\r\n\r\n')
    expect(gunzipSync(Buffer.from(body!, 'latin1')).toString()).toBe('x'.repeat(1000))
    provider.serve({ body: repeat('x', 1e6), gzip: true })
    expect((await ask()).body).toBe('x'.repeat(1e6))
    provider.serve({ body: blankFeed(1e7), gzip: true, framing: 'close', cutAfter: 100 })
    expect((await raw()).split('\r\n\r\n')[1]).toHaveLength(100)
  })

  it('waits, drips and falls silent', async () => {
    const started = performance.now()
    provider.serve({ body: 'x'.repeat(10), delayMs: 100, drip: { bytes: 1, everyMs: 10 } })
    expect((await ask()).body).toBe('x'.repeat(10))
    expect(performance.now() - started).toBeGreaterThan(190)
    provider.serve({ body: 'x'.repeat(10), stallAfter: 5 })
    const response = await fetch(provider.url)
    const reader = response.body!.getReader()
    expect((await reader.read()).value).toHaveLength(5)
    const more = reader.read().then(() => 'more')
    expect(await Promise.race([more, new Promise((resolve) => setTimeout(resolve, 100, 'nothing'))])).toBe('nothing')
    await reader.cancel()
  })

  it('may be a 304 with a body, which no proper server sends', async () => {
    provider.serve({ status: 304, body: '<a/>' })
    expect(await raw()).toMatch(/^HTTP\/1\.1 304 Not Modified\r\n.*content-length: 4\r\n.*\r\n\r\n<a\/>$/s)
  })

  it('without end goes on for as long as somebody reads, and no longer', async () => {
    let pieces = 0
    function* count() {
      for (const piece of repeat('x')) {
        pieces++
        yield piece
      }
    }
    provider.serve({ body: count() })
    const reader = (await fetch(provider.url)).body!.getReader()
    let bytes = 0
    while (bytes < 1e6) bytes += (await reader.read()).value!.length
    await reader.cancel()
    await new Promise((resolve) => setTimeout(resolve, 100))
    const before = pieces
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(pieces).toBe(before)
    expect(pieces).toBeLessThan(1000)
  })
})

describe('a script', () => {
  const bodies = async (count: number) => {
    const all: string[] = []
    for (let i = 0; i < count; i++) all.push((await ask()).body)
    return all
  }

  it('takes turns and goes in circles', async () => {
    provider.play(inTurn({ times: 2, script: { body: 'a' } }, { script: { body: 'b' } }, { script: { body: 'c' } }))
    expect(await bodies(5)).toEqual(['a', 'a', 'b', 'c', 'c'])
    provider.play(inCircles({ body: 'a' }, () => ({ body: 'b' })))
    expect(await bodies(3)).toEqual(['a', 'b', 'a'])
  })

  it('redirects as often as it says, and where it says', async () => {
    provider.play(redirectChain(3, { body: 'there' }))
    expect(await (await fetch(provider.url)).text()).toBe('there')
    expect(provider.requests).toHaveLength(4)
    provider.play(redirectChain(1, { body: 'there' }, 'http://169.254.169.254/'))
    expect((await ask()).headers.get('location')).toBe('http://169.254.169.254/')
  })

  it('fails for a seed always in the same way, at about the rate that it was told', () => {
    const play = (seed: number) => {
      const script = faulty(36, seed, () => ({ body: writeFeed(3) }))
      return Array.from({ length: 1000 }, () => script({} as never))
    }
    const same = (answers: object[]) => JSON.stringify(answers).replaceAll(/\w+, \d\d \w+ \d{4} [\d:]+ GMT/g, 'date')
    expect(same(play(1))).toBe(same(play(1)))
    expect(same(play(1))).not.toBe(same(play(2)))
    const failures = play(1).filter((answer) => JSON.stringify(answer) !== JSON.stringify({ body: writeFeed(3) }))
    expect(failures.length).toBeGreaterThan(320)
    expect(failures.length).toBeLessThan(400)
    expect(new Set(failures.map((answer) => JSON.stringify(answer))).size).toBeGreaterThan(100)
  })
})

describe('validators', () => {
  const modified = new Date('2035-05-01T10:00:00Z')
  const date = modified.toUTCString()

  it('that are honest are each believed by itself', async () => {
    let body = 'one'
    provider.play(honest(() => ({ body, modified })))
    const { headers } = await ask()
    const etag = headers.get('etag')!
    expect(headers.get('last-modified')).toBe(date)
    expect((await ask({ 'if-none-match': etag })).status).toBe(304)
    expect((await ask({ 'if-modified-since': date })).status).toBe(304)
    expect((await ask({ 'if-none-match': '"other"', 'if-modified-since': date })).status).toBe(200)
    expect((await ask({ 'if-modified-since': new Date(modified.getTime() - 1000).toUTCString() })).status).toBe(200)
    body = 'two'
    expect((await ask({ 'if-none-match': etag })).status).toBe(200)
    provider.play(honest(() => ({ body, modified }), { etag: false }))
    expect((await ask()).headers.has('etag')).toBe(false)
    expect((await ask({ 'if-modified-since': date })).status).toBe(304)
    provider.play(honest(() => ({ body, modified }), { lastModified: false }))
    expect((await ask({ 'if-modified-since': date })).status).toBe(200)
  })

  it('lie in every way that is known', async () => {
    let version = 0
    const next = () => writeVersion(version++, 1)
    const twice = async () => [await ask(), await ask({ 'if-none-match': '"same"' })] as const
    provider.play(lying.always304(next))
    expect((await twice()).map(({ status }) => status)).toEqual([200, 304])
    provider.play(lying.unasked304())
    expect((await ask()).status).toBe(304)
    provider.play(lying.changedEtagSameBody('same'))
    const [one, two] = await twice()
    expect([one.body === two.body, one.headers.get('etag') === two.headers.get('etag')]).toEqual([true, false])
    provider.play(lying.sameEtagChangedBody(next))
    const [three, four] = await twice()
    expect([three.body === four.body, three.headers.get('etag') === four.headers.get('etag')]).toEqual([false, true])
    provider.play(lying.stopsSending(next))
    expect((await twice()).map(({ headers }) => headers.has('etag'))).toEqual([true, false])
  })
})

describe('npm run provider', () => {
  const run = (...args: string[]) =>
    spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url)), ...args], {
      stdio: ['ignore', 'pipe', 'inherit']
    })

  it('lists all scenarios when asked for help, or for one that there is not', async () => {
    for (const [name, code] of [
      ['help', 0],
      ['nonsense', 2]
    ] as const) {
      const child = run('--scenario', name)
      const [output, [ended]] = await Promise.all([text(child.stdout), once(child, 'exit')])
      expect(ended).toBe(code)
      for (const { name, description } of SCENARIOS)
        expect(output).toMatch(new RegExp(`^${name} +${description[0]}`, 'm'))
    }
  })

  it('serves, says what it did, and ends at Ctrl-C', async () => {
    const child = run('--scenario', 'half', '--port', '0')
    let output = ''
    child.stdout.on('data', (data) => (output += data))
    while (!output.includes('http')) await once(child.stdout, 'data')
    const url = /http:\S+/.exec(output)![0]
    const count = async () => (await (await fetch(url)).text()).split('<event ').length - 1
    expect([await count(), await count(), await count()]).toEqual([40, 15, 15])
    child.kill('SIGINT')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(output).toMatch(/#1 GET \/feed\.xml: 200, \d+ bytes\n/)
  })

  it('has scenarios that all begin to answer', async () => {
    for (const { name, start } of SCENARIOS) {
      provider.play(start(1))
      const response = await fetch(provider.url, { redirect: 'manual' })
      expect(response.status, name).toBeGreaterThanOrEqual(200)
      await response.body?.cancel()
    }
  })
})
