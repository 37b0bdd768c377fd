import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import fastify from 'fastify'
import { expect, it } from 'vitest'
import deadlines from '../../plugins/deadlines.ts'
import errors from '../../plugins/errors.ts'

const never = new Promise(() => undefined)

it('an answer that does not come is 503; one that takes as long as its reader is left alone', async () => {
  const app = fastify()
  await app.register(errors)
  await app.register(deadlines, { deadlineMs: 50, lookMs: 10 })
  app.get('/soon', async () => 'soon')
  app.get('/never', () => never)
  async function* parts() {
    yield 'a'
    await sleep(200)
    yield 'b'
  }
  app.get('/long', { config: { isOpenEnded: true } }, (_request, reply) => reply.send(Readable.from(parts())))
  app.get('/slow', (_request, reply) => reply.send(Readable.from(parts())))
  const [soon, late, long, slow] = await Promise.all(
    ['/soon', '/never', '/long', '/slow'].map((url) => app.inject(url))
  )
  expect([soon!.body, long!.body, slow!.body]).toEqual(['soon', 'ab', 'ab'])
  expect([late!.statusCode, late!.json().code, late!.headers['retry-after']]).toEqual([503, 'timeout', '5'])
  await app.close()
})

it('who has left waits for none: that is no failure', async () => {
  const failures: string[] = []
  const app = fastify({ logger: { level: 'error', stream: { write: (line) => void failures.push(line) } } })
  await app.register(errors)
  await app.register(deadlines, { deadlineMs: 50, lookMs: 10 })
  const [came, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  app.get('/never', (_request, reply) => {
    came.resolve()
    reply.raw.once('close', left.resolve)
    return never
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  client.write('GET /never HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await came.promise
  client.destroy()
  await left.promise
  await sleep(150)
  expect(failures).toEqual([])
  await app.close()
})
