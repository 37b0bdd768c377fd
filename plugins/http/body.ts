import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { FeedError } from '../../adapters/kit/errors.ts'

const DECODERS: Record<string, () => NodeJS.ReadWriteStream & Readable> = {
  gzip: createGunzip,
  deflate: createInflate,
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
      stream = body.compose(createDecoder()) as Readable
    }
    yield* stream
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof FeedError) throw error
    if (String((error as NodeJS.ErrnoException).code).startsWith('Z_')) {
      throw new FeedError('encoding', `the ${name} coding of the body is broken: ${(error as Error).message}`, {
        cause: error
      })
    }
    throw new FeedError('truncated', `the body broke off: ${(error as Error).message}`, { cause: error })
  } finally {
    // A consumer that left early must not leave the connection open with a body that nobody reads.
    stream.destroy()
    body.destroy()
  }
}
