import { once } from 'node:events'
import { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { cut, drip } from './shape-body.ts'

export type Piece = string | Uint8Array
/** Whole, or made piece by piece while it is being sent. */
export type Body = Piece | Iterable<Piece> | AsyncIterable<Piece>
/** What tells a client where the body ends; `close`: nothing but the end of the connection. */
export type Framing = 'content-length' | 'chunked' | 'close'

/** One answer, made of small parts that can be combined. Sizes are bytes on the wire, after compression. */
export interface Answer {
  /** 200 */
  status?: number
  /** Besides the one for the framing, and `content-type: application/xml`. */
  headers?: OutgoingHttpHeaders
  /** Empty. */
  body?: Body
  /** `content-length` for a whole body, `chunked` for one in pieces, which is no use with `content-length`. */
  framing?: Framing
  gzip?: boolean
  /** Before the headers. */
  delayMs?: number
  drip?: { bytes: number; everyMs: number }
  /** The connection ends after that much of the body. */
  cutAfter?: number
  /** Nothing comes after that much of the body. */
  stallAfter?: number
}

/** Decides how each request is answered. */
export type Script = (request: IncomingMessage) => Answer

/** Sends it, and returns when all is sent or the client has left. Never throws. */
export async function sendAnswer(answer: Answer, response: ServerResponse): Promise<void> {
  const left = new AbortController()
  response.once('close', () => left.abort())
  try {
    if (answer.delayMs !== undefined) await sleep(answer.delayMs, undefined, { signal: left.signal })
    if (answer.status === 304 && answer.body !== undefined) sendWithForbiddenBody(answer, response)
    else await sendShaped(answer, response, left.signal)
  } catch (error) {
    if (!left.signal.aborted) response.destroy(error as Error)
  }
}

async function sendShaped(answer: Answer, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const { body, length } = encodeBody(answer)
  const { framing = length === undefined ? 'chunked' : 'content-length', cutAfter, stallAfter } = answer
  if (framing === 'close') response.useChunkedEncodingByDefault = false
  response.writeHead(answer.status ?? 200, {
    'content-type': 'application/xml',
    ...(answer.gzip ? { 'content-encoding': 'gzip' } : {}),
    ...(framing === 'content-length' && length !== undefined ? { 'content-length': length } : {}),
    ...answer.headers
  })
  response.flushHeaders()
  const most = Math.min(cutAfter ?? Infinity, stallAfter ?? Infinity)
  for await (const piece of drip(cut(body, most), answer.drip, signal)) {
    if (!response.write(piece)) await once(response, 'drain', { signal })
  }
  if (most === stallAfter) await once(response, 'close')
  else if (most === cutAfter && framing !== 'close') response.socket?.end()
  else response.end()
}

/** A 304 has no body, says HTTP, and node:http holds to that. */
function sendWithForbiddenBody({ headers, body }: Answer, response: ServerResponse): void {
  const all = { 'content-length': Buffer.byteLength(body as Piece), connection: 'close', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  response.socket?.end(`HTTP/1.1 304 ${STATUS_CODES[304]}\r\n${lines.join('')}\r\n${body}`)
}

function encodeBody({ body = '', gzip = false }: Answer): { body: AsyncIterable<Uint8Array>; length?: number } {
  if (typeof body === 'string' || body instanceof Uint8Array) {
    const bytes = gzip ? gzipSync(body) : Buffer.from(body)
    return { body: Readable.from([bytes]), length: bytes.length }
  }
  const pieces = Readable.from(body).map((piece) => Buffer.from(piece))
  return { body: gzip ? pieces.pipe(createGzip()) : pieces }
}

/** In words, for people: `503, retry-after 2`. */
export function describeAnswer({ status = 200, headers = {}, body, ...rest }: Answer): string {
  const told = ['content-type', 'etag', 'last-modified', 'retry-after', 'location'].filter(
    (name) => headers[name] !== undefined
  )
  return [
    String(status),
    ...told.map((name) => `${name} ${headers[name]}`),
    typeof body === 'string' || body instanceof Uint8Array ? `${Buffer.byteLength(body)} bytes` : body && 'a stream',
    rest.gzip && 'gzip',
    rest.framing && `framed by ${rest.framing}`,
    rest.delayMs && `after ${rest.delayMs} ms`,
    rest.drip && `${rest.drip.bytes} bytes every ${rest.drip.everyMs} ms`,
    rest.cutAfter !== undefined && `cut after ${rest.cutAfter} bytes`,
    rest.stallAfter !== undefined && `silent after ${rest.stallAfter} bytes`
  ]
    .filter(Boolean)
    .join(', ')
}
