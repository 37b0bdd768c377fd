import type { FastifyReply } from 'fastify'
import { writeHead } from './write-head.ts'

/** JSON: whole, or in parts that are sent one after the other. */
export type Body = string | Buffer | readonly [head: string, middle: Buffer, tail: string]

const isParts = (body: Body): body is readonly [string, Buffer, string] => Array.isArray(body)

/** As one, of its own: what is kept must not keep more than that. */
export function toBytes(body: Body): Buffer {
  if (Buffer.isBuffer(body)) return body
  if (!isParts(body)) return Buffer.from(body)
  const [head, middle, tail] = body
  return Buffer.concat([Buffer.from(head), middle, Buffer.from(tail)])
}

export function byteLength(body: Body): number {
  if (!isParts(body)) return Buffer.byteLength(body)
  return Buffer.byteLength(body[0]) + body[1].length + Buffer.byteLength(body[2])
}

/**
 * Parts go to the socket as they are, all in one call: to put them together first takes as long as a third of the query that
 * they came from.
 */
export function sendBody(reply: FastifyReply, body: Body): FastifyReply {
  if (!isParts(body)) return reply.send(body)
  // It came too late.
  if (reply.sent) return reply
  if (reply.request.method === 'HEAD') return reply.send(toBytes(body))
  const [head, middle, tail] = body
  const raw = writeHead(reply.header('content-length', byteLength(body)), reply.statusCode)
  raw.cork()
  raw.write(head)
  raw.write(middle)
  raw.end(tail)
  raw.uncork()
  return reply
}
