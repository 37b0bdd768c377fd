import { readFile } from 'node:fs/promises'
import fastify from 'fastify'
import type { Answer } from '../kit/load.ts'

/** The least that Fastify can do: sends a prebuilt answer from the path that the real route has, byte by byte the same. */
const { status, headers, body }: Answer = JSON.parse(await readFile(process.argv[2]!, 'utf8'))
const bytes = Buffer.from(body)
const app = fastify()
app.get('/v1/api/events', (_request, reply) => {
  reply.code(status).headers(headers)
  reply.send(status === 304 ? undefined : bytes)
})
console.log(await app.listen({ host: '127.0.0.1', port: 0 }))
