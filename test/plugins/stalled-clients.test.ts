import dns from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import stalledClients from '../../plugins/stalled-clients.ts'
import { createApp } from '../helper.ts'
import { takePort } from '../take-port.ts'

/** More than there is room for on the way. */
const BIG = Buffer.alloc(64 * 2 ** 20)
/** What a slow reader takes is seen at the other end in steps of a megabyte or two. */
const PATIENCE_MS = 2000

let app: FastifyInstance
/** Of the server's ends. */
let ends: Socket[]
beforeEach(async () => {
  app = fastify()
  ends = []
  await app.register(stalledClients, { patienceMs: PATIENCE_MS, lookMs: 20 })
  app.addHook('onRequest', async ({ socket }) => void ends.push(socket))
  app.get('/big', (_request, reply) => reply.send(BIG))
  app.get('/small', (_request, reply) => reply.send('small'))
  app.get('/late', async () => {
    await sleep(3 * PATIENCE_MS)
    return 'late'
  })
})
afterEach(async () => {
  await app.close()
  vi.restoreAllMocks()
})

async function listen(host = '127.0.0.1'): Promise<number> {
  // Free at each address of the host.
  await app.listen({ host, port: await takePort() })
  return (app.server.address() as AddressInfo).port
}

async function get(path: string, port: number, host = '127.0.0.1'): Promise<Socket> {
  const client = connect(port, host)
  await once(client, 'connect')
  client.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  return client
}

async function isCutOff(port: number, host?: string): Promise<void> {
  const client = await get('/big', port, host)
  client.pause()
  while (ends.length === 0) await sleep(5)
  const end = ends.pop()!
  await once(end, 'close')
  expect(end.bytesWritten).toBeGreaterThan(0)
  client.destroy()
}

it('a client that stops reading is cut off', async () => {
  await isCutOff(await listen())
})

it('also where the service listens at several addresses of one name', async () => {
  const all = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
  const { lookup } = dns
  vi.spyOn(dns, 'lookup').mockImplementation(((...args: Parameters<typeof lookup>) => {
    const [name, , done] = args as unknown as [string, object, (error: null, all: object[]) => void]
    if (name === 'localhost') done(null, all)
    else lookup(...args)
  }) as never)
  const port = await listen('localhost')
  for (const { address } of all) await isCutOff(port, address)
})

it('one that reads slowly gets all of it, and is answered again', async () => {
  const client = await get('/big', await listen())
  let bytes = 0
  const started = performance.now()
  while (bytes < BIG.length) {
    const chunk: Buffer | null = client.read()
    bytes += chunk?.length ?? 0
    if (client.destroyed) throw new Error(`cut off after ${bytes} bytes`)
    // So it takes several times as long as nothing may move.
    if (performance.now() - started < 3 * PATIENCE_MS) await sleep(8)
    else if (chunk === null) await once(client, 'readable')
  }
  expect(performance.now() - started).toBeGreaterThan(3 * PATIENCE_MS)
  client.write('GET /small HTTP/1.1\r\nhost: localhost\r\n\r\n')
  let answer = ''
  for await (const chunk of client) {
    answer += chunk
    if (answer.endsWith('small')) break
  }
})

it('one that has all that it asked for may wait with its next request, and one that is not answered yet waits', async () => {
  const port = await listen()
  const [client, waiting] = await Promise.all([get('/small', port), get('/late', port)])
  await once(client, 'data')
  expect(String((await once(waiting, 'data'))[0])).toContain('200 OK')
  client.write('GET /small HTTP/1.1\r\nhost: localhost\r\n\r\n')
  expect(String((await once(client, 'data'))[0])).toContain('200 OK')
  client.destroy()
  waiting.destroy()
})

it('so it is in the whole service', async () => {
  const service = await createApp()
  expect(service.app.hasPlugin('stalled-clients')).toBe(true)
  await service.close()
})
