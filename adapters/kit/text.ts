import { TextDecoder } from 'node:util'
import { FeedError } from './errors.ts'

/** Enough to hold an XML declaration. */
const PROLOG_BYTES = 512

/**
 * Decodes a document strictly: a byte that is wrong in the encoding is an error, never a replacement character.
 * The encoding is, in this order, that of the byte order mark, `charset` (from HTTP), the XML declaration, UTF-8.
 */
export async function* decodeText(bytes: AsyncIterable<Uint8Array>, charset: string | null): AsyncGenerator<string> {
  let head: Uint8Array = new Uint8Array(0)
  let decoder: TextDecoder | undefined
  let offset = 0
  const decode = (chunk: Uint8Array | undefined): string => {
    try {
      const text = decoder!.decode(chunk, { stream: chunk !== undefined })
      offset += chunk?.length ?? 0
      return text
    } catch (error) {
      const where = chunk === undefined ? 'at the end' : `in the ${chunk.length} bytes from offset ${offset}`
      throw new FeedError('encoding', `the document is not valid ${decoder!.encoding} ${where}`, { cause: error })
    }
  }
  for await (const chunk of bytes) {
    if (decoder !== undefined) {
      yield decode(chunk)
      continue
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    if (head.length < PROLOG_BYTES) continue
    decoder = createDecoder(head, charset)
    yield decode(head)
  }
  if (decoder === undefined) {
    decoder = createDecoder(head, charset)
    yield decode(head)
  }
  yield decode(undefined)
}

function createDecoder(head: Uint8Array, charset: string | null): TextDecoder {
  const label = byteOrderMark(head) ?? charset ?? declared(head) ?? 'utf-8'
  try {
    return new TextDecoder(label, { fatal: true })
  } catch (error) {
    throw new FeedError('encoding', `the document's encoding "${label.slice(0, 40)}" is not known`, { cause: error })
  }
}

function byteOrderMark([a, b, c]: Uint8Array): string | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8'
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  return undefined
}

function declared(head: Uint8Array): string | undefined {
  const [a, b] = head
  if (a === 0 && b === 0x3c) return 'utf-16be'
  if (a === 0x3c && b === 0) return 'utf-16le'
  const prolog = Buffer.from(head.subarray(0, PROLOG_BYTES)).toString('latin1')
  return /^<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)["']/.exec(prolog)?.[1]
}
