import { TextDecoder } from 'node:util'
import { byteOrderMark, chooseEncoding, PROLOG_BYTES } from './encoding.ts'
import { FeedError } from './errors.ts'

/** A character is cut after at most so many of its bytes. */
const MOST_PENDING = 3

/**
 * Decodes a document strictly: a byte that is wrong in the encoding is an error, never a replacement character. What
 * stands before it is yielded first, so that the pieces that the bytes come in make no difference.
 * The encoding is, in this order, that of the byte order mark, `charset` (from HTTP), the XML declaration, UTF-8.
 * @throws FeedError `encoding`, with the byte and its offset in the document; `truncated` when it ends inside a character
 */
export async function* decodeText(bytes: AsyncIterable<Uint8Array>, charset: string | null): AsyncGenerator<string> {
  let head: Uint8Array = new Uint8Array(0)
  let decode: Decode | undefined
  for await (const chunk of bytes) {
    if (decode !== undefined) {
      yield* decode(chunk)
      continue
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    if (head.length < PROLOG_BYTES) continue
    decode = createDecode(head, charset)
    yield* decode(head)
  }
  if (decode === undefined) {
    decode = createDecode(head, charset)
    yield* decode(head)
  }
  yield* decode(undefined)
}

/** Takes the bytes one chunk after another, then undefined for the end. */
type Decode = (chunk: Uint8Array | undefined) => Generator<string>

function createDecode(head: Uint8Array, charset: string | null): Decode {
  const mark = byteOrderMark(head)
  const { encoding, label, undefinedBytes } = mark ?? chooseEncoding(head, charset)
  const createDecoder = () => new TextDecoder(encoding, { fatal: true, ignoreBOM: true })
  const decoder = createDecoder()
  let skip = mark?.length ?? 0
  let offset = 0
  /** The last bytes before `offset`: the beginning of a character may be among them. */
  let tail: Uint8Array = new Uint8Array(0)

  return function* decode(chunk) {
    if (chunk === undefined) {
      if (!isWhole(decoder)) throw new FeedError('truncated', `the document ends inside a character of ${label}`)
      return
    }
    const bytes = chunk.subarray(skip)
    offset += skip
    skip = 0
    let text: string
    try {
      text = decoder.decode(bytes, { stream: true })
    } catch {
      const joined = Buffer.concat([tail.subarray(tail.length - pending()), bytes])
      const sound = soundPrefix(joined, createDecoder)
      yield createDecoder().decode(joined.subarray(0, sound))
      throw wrongByte(joined[sound]!, offset + bytes.length - joined.length + sound)
    }
    const at = undefinedBytes === undefined ? -1 : text.search(undefinedBytes)
    if (at !== -1) {
      yield text.slice(0, at)
      throw wrongByte(bytes[at]!, offset + at)
    }
    offset += bytes.length
    tail = Buffer.concat([tail, bytes.subarray(-MOST_PENDING)]).subarray(-MOST_PENDING)
    yield text
  }

  function wrongByte(byte: number, offset: number): FeedError {
    const hex = byte.toString(16).toUpperCase().padStart(2, '0')
    return new FeedError('encoding', `the byte 0x${hex} at offset ${offset} is not valid in ${label}`)
  }
  /** How many of the last bytes the decoder still holds. */
  function pending(): number {
    const unit = encoding.startsWith('utf-16') ? 2 : 1
    for (let count = tail.length; count > 0; count--) {
      if ((offset - count) % unit === 0 && tryDecode(createDecoder(), tail.subarray(-count)) === '') return count
    }
    return 0
  }
}

/** Bytes before the first wrong sequence. */
function soundPrefix(bytes: Uint8Array, createDecoder: () => TextDecoder): number {
  let taken = 0
  let refused = bytes.length
  while (refused - taken > 1) {
    const middle = (taken + refused) >>> 1
    if (tryDecode(createDecoder(), bytes.subarray(0, middle)) === undefined) refused = middle
    else taken = middle
  }
  // What was taken may end with the beginning of the wrong sequence.
  const isCut = (length: number) => {
    const decoder = createDecoder()
    decoder.decode(bytes.subarray(0, length), { stream: true })
    return !isWhole(decoder)
  }
  while (isCut(taken)) taken--
  return taken
}

function tryDecode(decoder: TextDecoder, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes, { stream: true })
  } catch {
    return undefined
  }
}

/** Whether nothing is left in it. */
function isWhole(decoder: TextDecoder): boolean {
  try {
    decoder.decode()
    return true
  } catch {
    return false
  }
}
