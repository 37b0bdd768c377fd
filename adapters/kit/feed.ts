import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AdapterState } from '../../storage/kit/contract.ts'
import type { FeedBody, SourceContext } from './contract.ts'
import { FeedError } from './errors.ts'
import { decodeText } from './text.ts'

export interface Feed {
  /** The decoded document, in pieces. */
  text: AsyncIterable<string>
  /** What to give to `complete()`, once `text` was read to its end. */
  state(): AdapterState
}

/**
 * Opens a source's `http:`, `https:` or `file:` URL. Over HTTP the request is conditional on what the last complete run
 * kept: ETag and Last-Modified each by itself.
 * @returns null when the provider says that nothing changed.
 * @throws FeedError
 */
export async function openFeed(context: SourceContext): Promise<Feed | null> {
  if (context.replay !== undefined) return readFeed(context, context.replay, {})
  return context.source.url.startsWith('file:') ? openFile(context) : openHttp(context)
}

async function openHttp(context: SourceContext): Promise<Feed | null> {
  const { source, state, signal, http } = context
  const headers: Record<string, string> = { accept: 'application/xml, text/xml;q=0.9, */*;q=0.1' }
  if (state?.etag) headers['if-none-match'] = state.etag
  if (state?.last_modified) headers['if-modified-since'] = state.last_modified
  const response = await http.get(source.url, { headers, signal, allowPrivate: source.allow_private })
  const isConditional = state?.etag || state?.last_modified
  if (response.status === 304 && isConditional) {
    response.discard()
    return null
  }
  if (response.status !== 200) {
    response.discard()
    throw new FeedError('status', `the provider answered with status ${response.status}`, {
      status: response.status,
      retryAfter: response.headers['retry-after']
    })
  }
  const charset = /;\s*charset\s*=\s*"?([\w.:-]+)/i.exec(response.headers['content-type'] ?? '')?.[1] ?? null
  const validators = { etag: response.headers.etag ?? null, last_modified: response.headers['last-modified'] ?? null }
  return readFeed(context, { bytes: response.body, charset }, validators)
}

function openFile(context: SourceContext): Feed {
  const stream = createReadStream(fileURLToPath(context.source.url), { signal: context.signal })
  return readFeed(context, { bytes: readFile(stream, context.signal), charset: null }, {})
}

async function* readFile(stream: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* stream
  } catch (error) {
    signal.throwIfAborted()
    // Without the path: details of runs are public.
    throw new FeedError('file', `the file cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error })
  }
}

function readFeed(context: SourceContext, body: FeedBody, validators: AdapterState): Feed {
  const digest = createHash('sha256')
  const most = context.source.max_mb * 1e6
  const keep = context.keep?.(body.charset)
  let bytes = 0
  async function* count(): AsyncGenerator<Uint8Array> {
    for await (const chunk of body.bytes) {
      context.signal.throwIfAborted()
      bytes += chunk.length
      if (bytes > most) {
        throw new FeedError(
          'too_large',
          `the document has more than ${context.source.max_mb} MB (max_mb of the source)`
        )
      }
      context.countBytes(chunk.length)
      digest.update(chunk)
      await keep?.(chunk)
      yield chunk
    }
  }
  return { text: decodeText(count(), body.charset), state: () => ({ ...validators, digest: digest.digest('hex') }) }
}
