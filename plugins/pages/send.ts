import type { FastifyReply, FastifyRequest } from 'fastify'
import { SECURITY_HEADERS } from '../security.ts'
import type { StoreState } from '../validators.ts'
import { byteLength, sendBody, toBytes } from './body.ts'
import type { Cache, KeptPage } from './cache.ts'
import { compress, type Encoding, LEAST_BYTES, negotiate } from './compress.ts'
import { lastModified, matches } from './etag.ts'
import { vary } from './vary.ts'
import { writeHead } from './write-head.ts'

/** A few seconds old is good enough for lists; older ones while a newer one is fetched, or cannot be. */
const CACHE_CONTROL = 'public, max-age=5, stale-while-revalidate=30, stale-if-error=86400'

const SECURITY = Object.entries(SECURITY_HEADERS).flat()

const JSON_TYPE = 'application/json; charset=utf-8'

export async function send(
  request: FastifyRequest,
  reply: FastifyReply,
  page: KeptPage,
  cache: Cache,
  now: { state: StoreState | null } | { isStale: true }
): Promise<FastifyReply> {
  if (page.link !== undefined) reply.header('link', page.link)
  reply.type(JSON_TYPE)
  vary(reply, 'Accept-Encoding')
  if ('isStale' in now) {
    markStale(reply, page)
    return reply.send(staleBody(page))
  }
  setValidators(reply, page.etag, now.state)
  const encoding = encodingOf(request, page)
  if (encoding === 'identity') return sendBody(reply, page.body)
  let body = page.encoded.get(encoding)
  if (body === undefined) {
    body = compress(toBytes(page.body), encoding)
    page.encoded.set(encoding, body)
    body.then(
      (done) => cache.addEncoded(page, encoding, done),
      () => page.encoded.delete(encoding)
    )
  }
  reply.header('content-encoding', encoding)
  return reply.send(Buffer.isBuffer(body) ? body : await body)
}

function encodingOf(request: FastifyRequest, { body }: KeptPage): Encoding {
  return byteLength(body) < LEAST_BYTES ? 'identity' : negotiate(request.headers['accept-encoding'])
}

/**
 * Writes what is in memory straight to the connection, past what Fastify does for answers that need more.
 * @param others headers that others have set, by names and values in turn
 * @returns false where it takes more than that
 */
export function sendKept(
  request: FastifyRequest,
  reply: FastifyReply,
  page: KeptPage,
  state: StoreState,
  others: readonly string[]
): boolean {
  const modified = lastModified(state)
  const headers = [...SECURITY, 'vary', 'Accept-Encoding', 'etag', page.etag, 'cache-control', CACHE_CONTROL, ...others]
  if (modified !== undefined) headers.push('last-modified', modified)
  if (matches(request, page.etag, state)) {
    reply.hijack().raw.writeHead(304, headers).end()
    return true
  }
  const encoding = encodingOf(request, page)
  const body = encoding === 'identity' ? page.body : page.encoded.get(encoding)
  // It has to be compressed first, or is not to be sent.
  if (!Buffer.isBuffer(body) || request.method === 'HEAD') return false
  if (page.link !== undefined) headers.push('link', page.link)
  if (encoding !== 'identity') headers.push('content-encoding', encoding)
  headers.push('content-type', JSON_TYPE, 'content-length', String(body.length))
  reply.hijack().raw.writeHead(200, headers).end(body)
  return true
}

export function sendNotModified(reply: FastifyReply, etag: string, state: StoreState | null): FastifyReply {
  // It came too late.
  if (reply.sent) return reply
  vary(reply, 'Accept-Encoding')
  setValidators(reply, etag, state)
  // Fastify would tell who asks by HEAD the length of no body: 0, which is not that of the answer.
  writeHead(reply, 304).end()
  return reply
}

/**
 * What a client or a cache needs to ask only for what it does not have.
 * @param state null: the answer also changes while nothing is written, as what is asked goes by the time
 */
export function setValidators(reply: FastifyReply, etag: string, state: StoreState | null): void {
  reply.header('etag', etag)
  reply.header('cache-control', CACHE_CONTROL)
  const modified = state === null ? undefined : lastModified(state)
  if (modified !== undefined) reply.header('last-modified', modified)
}

/** Says so in the way of HTTP, for caches. */
function markStale(reply: FastifyReply, { read_at }: KeptPage): void {
  reply.header('warning', '110 - "Response is Stale"')
  reply.header('age', Math.max(0, Math.round((Date.now() - read_at) / 1000)))
  reply.header('cache-control', 'no-store')
}

function staleBody({ body, metaAt, read_at }: KeptPage): Buffer {
  const bytes = toBytes(body)
  if (metaAt === null) return bytes
  const end = `,"stale":true,"read_at":"${new Date(read_at).toISOString()}"}}`
  return Buffer.concat([bytes.subarray(0, -2), Buffer.from(end)])
}
