import { pipeline, type Readable, type Transform } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { FeedError } from '../../adapters/kit/errors.ts'

/** Without deflate: half of those who send it mean something else by it. */
const DECODERS: Record<string, () => Transform> = {
  gzip: createGunzip,
  br: createBrotliDecompress
}

/** Undoes the content coding, if there is one. What breaks off or is broken throws `FeedError`. */
export async function* decodeBody(
  body: Readable,
  coding: string | undefined,
  signal: AbortSignal
): AsyncGenerator<Uint8Array> {
  const name = coding?.trim().toLowerCase() ?? ''
  let stream: Readable = body
  try {
    if (name !== '' && name !== 'identity') {
      const createDecoder = DECODERS[name]
      if (createDecoder === undefined) {
        throw new FeedError(
          'encoding',
          `the provider sends the content coding "${name.slice(0, 40)}", which was not asked for`
        )
      }
      // An error of either one comes out of the iteration below; here there is nothing left to do with it.
      stream = pipeline(body, createDecoder(), () => undefined)
    }
    for await (const chunk of stream) {
      yield chunk
      // What has arrived already is read up to 32 times in one turn of the event loop. For as long as what is done with
      // each takes, no timer would tick: neither that of the deadline nor that which renews the lease.
      await nextTurn()
    }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof FeedError) throw error
    throw explainBrokenBody(error as NodeJS.ErrnoException, name)
  } finally {
    // A consumer that left early must not leave the connection open with a body that nobody reads.
    stream.destroy()
    body.destroy()
  }
}

function explainBrokenBody(error: NodeJS.ErrnoException, coding: string): FeedError {
  const code = String(error.code)
  if (code === 'UND_ERR_BODY_TIMEOUT') return new FeedError('timeout', 'the body stopped coming', { cause: error })
  // Z_BUF_ERROR: the compressed data end too early.
  if (code.startsWith('Z_') && code !== 'Z_BUF_ERROR') {
    return new FeedError('encoding', `the ${coding} coding of the body is broken: ${error.message}`, { cause: error })
  }
  return new FeedError('truncated', `the body broke off: ${error.message}`, { cause: error })
}
