import { readFile } from 'node:fs/promises'
import fastify from 'fastify'

/** The least that Fastify can do: sends a prebuilt body, as JSON, from the path that the real route has. */
const body = await readFile(process.argv[2]!)
const app = fastify()
app.get('/v1/api/events', (_request, reply) => {
  reply.type('application/json; charset=utf-8').send(body)
})
console.log(await app.listen({ host: '127.0.0.1', port: 0 }))
