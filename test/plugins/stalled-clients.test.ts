import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, it } from 'vitest'
import stalledClients from '../../plugins/stalled-clients.ts'

/** More than there is room for on the way. */
const BIG = Buffer.alloc(64 * 2 ** 20)
const PATIENCE_MS = 300

let app: FastifyInstance
/** Of the server's ends. */
let ends: Socket[]
beforeEach(async () => {
  app = fastify()
  ends = []
  await app.register(stalledClients, { patienceMs: PATIENCE_MS, lookMs: 20 })
  app.server.on('connection', (socket) => ends.push(socket))
  app.get('/big', (_request, reply) => reply.send(BIG))
  app.get('/small', (_request, reply) => reply.send('small'))
  await app.listen({ host: '127.0.0.1', port: 0 })
})
afterEach(() => app.close())

async function get(path: string): Promise<Socket> {
  const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  client.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  return client
}

it('a client that stops reading is cut off', async () => {
  const client = await get('/big')
  client.pause()
  while (ends.length === 0) await sleep(5)
  await once(ends[0]!, 'close')
  expect(ends[0]!.bytesWritten).toBeGreaterThan(0)
  client.destroy()
})

it('one that reads slowly gets all of it, and is answered again', async () => {
  const client = await get('/big')
  let bytes = 0
  const started = performance.now()
  while (bytes < BIG.length) {
    const chunk: Buffer | null = client.read()
    bytes += chunk?.length ?? 0
    // So it takes several times as long as nothing may move.
    if (performance.now() - started < 3 * PATIENCE_MS) await sleep(20)
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

it('one that has all that it asked for may wait with its next request', async () => {
  const client = await get('/small')
  await once(client, 'data')
  await sleep(3 * PATIENCE_MS)
  client.write('GET /small HTTP/1.1\r\nhost: localhost\r\n\r\n')
  expect(String((await once(client, 'data'))[0])).toContain('200 OK')
  client.destroy()
})
