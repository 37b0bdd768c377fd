import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createClient } from '../../plugins/http/client.ts'

it('a body that is read slowly does not break off, however soon its provider closes connections without a request', async () => {
  const sizes = [65_536, 131_072, 200_000, 400_000]
  const server = createServer((request, response) => {
    response.end(Buffer.alloc(Number(request.url!.slice(1))))
  })
  Object.assign(server, { keepAliveTimeout: 1, keepAliveTimeoutBuffer: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = createClient()
  const read = async (size: number) => {
    const signal = AbortSignal.timeout(15_000)
    const { body } = await client.get(`http://127.0.0.1:${port}/${size}`, { headers: {}, signal, allowPrivate: true })
    let bytes = 0
    for await (const chunk of body) {
      bytes += chunk.length
      await sleep(150)
    }
    return bytes
  }
  expect(await Promise.all(sizes.map(read))).toEqual(sizes)
  await client.close()
  server.closeAllConnections()
  server.close()
})
