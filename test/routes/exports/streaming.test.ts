import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import { StorageUnavailable } from '../../../storage/kit/errors.ts'
import { recordHazard } from '../../hazards/record.ts'
import type { TestApp } from '../../helper.ts'
import { createExports, from, shown } from './fixtures.ts'

const FORMATS = ['ics', 'ndjson', 'csv', 'atom']
const PAGE = Array.from({ length: 500 }, (_, number) => shown(number, { title: `Event ${'x'.repeat(1000)}` }))
const PAGES = 60
const SOME_MB = 64e6

let service: TestApp
afterEach(() => service.close())

async function listen(): Promise<number> {
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  return (service.app.server.address() as AddressInfo).port
}

/** More than anybody can read. It says how many it was asked for, and that it was left. */
function endless() {
  const state = { pulled: 0, left: Promise.withResolvers<void>() }
  async function* stream() {
    try {
      for (;;) {
        await sleep(0)
        for (const event of PAGE) {
          state.pulled++
          yield event
        }
      }
    } finally {
      state.left.resolve()
    }
  }
  return { state, stream }
}

describe.each(FORMATS)('events.%s', (extension) => {
  const path = `/v1/api/events.${extension}`

  it('says what it is, and how long it holds', async () => {
    service = await createExports(() => from(PAGE))
    const { headers } = await service.app.inject(path)
    expect(headers['content-disposition']).toMatch(
      new RegExp(`^(attachment|inline); filename="events\\.${extension}"$`)
    )
    expect(headers['content-type']).toMatch(/^[a-z]+\/[a-z+-]+; charset=utf-8/)
    expect(headers['cache-control']).toContain('max-age')
    const again = await service.app.inject({ url: path, headers: { 'if-none-match': String(headers.etag) } })
    expect([again.statusCode, again.body]).toEqual([304, ''])
    expect(service.app.storage.stream).toHaveBeenCalledTimes(1)
  })

  it('is not read for HEAD', async () => {
    let asked = 0
    service = await createExports(async function* () {
      asked++
      yield* PAGE
    })
    const { statusCode, headers, body } = await service.app.inject({ method: 'HEAD', url: path })
    expect([statusCode, body, asked]).toEqual([200, '', 0])
    expect(headers['content-disposition']).toContain(`events.${extension}`)
    expect(headers['content-length']).toBeUndefined()
    expect(headers.vary).toBe('Accept-Encoding')
  })

  it('is refused with what belongs to pages', async () => {
    service = await createExports(() => from(PAGE))
    for (const name of ['limit', 'cursor', 'fields', 'count']) {
      const { status, body } = await service.get(`${path}?${name}=1`)
      expect([status, body.parameter]).toEqual([400, name])
    }
  })

  it('is a problem as long as nothing was sent', async () => {
    service = await createExports(async function* () {
      if (PAGE.length > 0) throw new StorageUnavailable('it is away')
      yield* PAGE
    })
    const { status, headers, body } = await service.get(path)
    expect([status, body.code]).toEqual([503, 'storage_unavailable'])
    expect(headers['content-type']).toContain('application/problem+json')
    expect(headers['content-disposition']).toBeUndefined()
    expect(headers.etag).toBeUndefined()
  })

  it('is cut when it breaks off later, and does not end', async () => {
    service = await createExports(async function* () {
      yield* PAGE
      throw new StorageUnavailable('it is away')
    })
    const response = await fetch(`http://127.0.0.1:${await listen()}${path}`)
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it.each(['br', 'zstd', 'gzip'])(
    'is a problem, or cut, when it breaks off before %s has put anything out',
    async (encoding) => {
      service = await createExports(async function* () {
        yield* PAGE.slice(0, 50)
        throw new StorageUnavailable('it is away')
      })
      const url = `http://127.0.0.1:${await listen()}${path}`
      const response = await fetch(url, { headers: { 'accept-encoding': encoding } })
      if (response.status === 200) {
        await expect(response.text()).rejects.toThrow()
      } else {
        expect(await response.json()).toMatchObject({ status: 503, code: 'storage_unavailable' })
        for (const name of ['content-encoding', 'content-disposition', 'etag'])
          expect(response.headers.get(name)).toBeNull()
      }
    }
  )

  it('costs no memory', async ({ task }) => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const heaps: number[] = []
    service = await createExports(async function* () {
      for (let page = 0; page < PAGES; page++) {
        await sleep(0)
        if (page % 20 === 10) {
          collect()
          // Buffers are those of the client, too: whether they pile up here is seen where that one stops reading.
          heaps.push(process.memoryUsage().heapUsed)
        }
        yield* PAGE
      }
    })
    const { body } = await fetch(`http://127.0.0.1:${await listen()}${path}`)
    let bytes = 0
    for await (const chunk of body!) bytes += chunk.length
    const growth = Math.max(...heaps) - heaps[0]!
    recordHazard(task, {
      hazard: `events.${extension} of ${PAGES * PAGE.length} events, ${Math.round(bytes / 1e6)} MB`,
      expected: 'heap growth < 8 MB',
      figure: `${(growth / 1e6).toFixed(1)} MB`
    })
    expect(bytes).toBeGreaterThan(20e6)
    expect(growth).toBeLessThan(8e6)
  })

  it('waits for a client that stops reading, and is given up when that one leaves', async () => {
    const { state, stream } = endless()
    service = await createExports(stream)
    const socket = connect(await listen(), '127.0.0.1')
    await once(socket, 'connect')
    socket.pause()
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    let before = -1
    // Until no more is asked for; if that goes on for ever, it is more than there is room for.
    while (state.pulled === 0 || state.pulled > before) {
      before = state.pulled
      await sleep(200)
      expect(state.pulled * 1000).toBeLessThan(SOME_MB)
    }
    socket.destroy()
    await state.left.promise
  })

  it('is given up when its client leaves while the storage is looking', async () => {
    const [begun, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    service = await createExports(async function* (_query, signal) {
      try {
        begun.resolve()
        await sleep(600_000, undefined, { signal: signal! })
        yield* PAGE
      } finally {
        left.resolve()
      }
    })
    const socket = connect(await listen(), '127.0.0.1')
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    await begun.promise
    socket.destroy()
    await left.promise
  })
})
