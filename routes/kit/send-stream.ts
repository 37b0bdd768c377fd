import { pipeline, Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { COMPRESSORS, negotiate } from '../../plugins/pages/compress.ts'
import { vary } from '../../plugins/pages/vary.ts'

export interface Stream {
  type: string
  parts: AsyncGenerator<string | Buffer>
  /**
   * Aborted when the client is gone: `parts` would end by itself only when it is asked for the next one, and may be waiting
   * for that.
   */
  stop: AbortController
  /** Left out: as the client likes it. What is to be read part by part, as it comes, is not. */
  isCompressed?: boolean
  /** Called before the first part is sent: for headers that an error must not have. */
  begin?(): void
}

/**
 * Sends what is pulled from `parts` as fast as the client takes it, and no faster. A client that leaves ends it: `parts` is told
 * to return. What fails before the first part is answered as an error; after that the connection is cut, so that nobody
 * takes what has come for the whole.
 */
export async function sendStream(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, parts, stop, begin, isCompressed = true }: Stream
): Promise<FastifyReply> {
  if (reply.raw.destroyed) stop.abort()
  else reply.raw.once('close', () => stop.abort())
  if (isCompressed) vary(reply, 'Accept-Encoding')
  if (request.method === 'HEAD') {
    await parts.return(undefined)
    begin?.()
    if (isCompressed) vary(reply, 'Accept-Encoding')
    // Of anything that is no stream the length would be told, and it is not known.
    return reply.type(type).send(Readable.from([]))
  }
  try {
    const first = await parts.next()
    begin?.()
    return reply.type(type).send(encode(toReadable(first, parts, stop), request, reply, isCompressed))
  } catch (error) {
    // Nobody is there to be told.
    if (reply.raw.destroyed) return reply.hijack()
    throw error
  }
}

function encode(body: Readable, request: FastifyRequest, reply: FastifyReply, isCompressed: boolean): Readable {
  if (!isCompressed) return body
  const encoding = negotiate(request.headers['accept-encoding'])
  if (encoding === 'identity') return body
  reply.header('content-encoding', encoding)
  // What fails on either side ends the other; whoever reads is told of it by the end that they have.
  return pipeline(body, COMPRESSORS[encoding](), () => undefined)
}

/** Not `Readable.from`: that never tells a generator to return which it has not begun to read. */
function toReadable(first: IteratorResult<string | Buffer>, parts: Stream['parts'], stop: AbortController): Readable {
  let next: typeof first | undefined = first
  return new Readable({
    highWaterMark: 1,
    async read() {
      try {
        const { done, value } = next ?? (await parts.next())
        next = undefined
        this.push(done ? null : value)
      } catch (error) {
        this.destroy(error as Error)
      }
    },
    destroy(error, callback) {
      stop.abort()
      parts.return(undefined).then(
        () => callback(error),
        (failure) => callback(error ?? failure)
      )
    }
  })
}
