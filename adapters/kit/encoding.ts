import { TextDecoder } from 'node:util'
import { FeedError } from './errors.ts'

/** Enough to hold an XML declaration. */
export const PROLOG_BYTES = 512
/** Node's decoders of other encodings let wrong bytes through. */
const STRICT = /^(?:utf-8|utf-16[lb]e|iso-8859-.+|windows-\d+|koi8-.)$/

/** How a document is to be decoded. */
export interface Encoding {
  /** As `TextDecoder` calls it. */
  encoding: string
  /** As the document or its provider calls it. */
  label: string
  /** What bytes become that the encoding does not define; only of encodings that have one byte a character. */
  undefinedBytes?: RegExp
}

/** What a byte order mark at the start says; it has `length` bytes. */
export function byteOrderMark([a, b, c]: Uint8Array): (Encoding & { length: number }) | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf-8', label: 'utf-8', length: 3 }
  if (a === 0xff && b === 0xfe) return { encoding: 'utf-16le', label: 'utf-16le', length: 2 }
  if (a === 0xfe && b === 0xff) return { encoding: 'utf-16be', label: 'utf-16be', length: 2 }
  return undefined
}

/**
 * What HTTP, else the XML declaration says, where the first bytes do not contradict it.
 * @throws FeedError `encoding`
 */
export function chooseEncoding(head: Uint8Array, charset: string | null): Encoding {
  const seen = seenUtf16(head)
  const label = (charset ?? seen ?? declared(head) ?? 'utf-8').slice(0, 40)
  const encoding = lookUp(label)
  if (encoding === undefined || !STRICT.test(encoding)) {
    throw new FeedError('encoding', `the document's encoding "${label}" is not one that is read`)
  }
  const isUtf16 = encoding.startsWith('utf-16')
  // The label "utf-16" leaves the order of the bytes open.
  if (seen !== undefined && isUtf16 && /^utf-?16$/i.test(label)) return { encoding: seen, label: seen }
  if (seen === undefined ? isUtf16 && head.length > 0 : seen !== encoding) {
    const is = seen === undefined ? 'is not' : `is ${seen}`
    throw new FeedError('encoding', `the document is said to be ${label}, and ${is}`)
  }
  if (/^(?:us-)?ascii$/i.test(label)) return { encoding, label, undefinedBytes: /[^\0-\x7f]/ }
  // To TextDecoder a byte that one of these does not define is the control character of the same number.
  return encoding.startsWith('windows-') ? { encoding, label, undefinedBytes: /[\x80-\x9f]/ } : { encoding, label }
}

function lookUp(label: string): string | undefined {
  try {
    return new TextDecoder(label).encoding
  } catch {
    return undefined
  }
}

/** A document begins with a character of ASCII, so one of its first two bytes is 0 if it is UTF-16. */
function seenUtf16([a, b]: Uint8Array): string | undefined {
  if (a === 0 && b !== 0 && b !== undefined) return 'utf-16be'
  return a !== 0 && b === 0 ? 'utf-16le' : undefined
}

function declared(head: Uint8Array): string | undefined {
  const prolog = Buffer.from(head.subarray(0, PROLOG_BYTES)).toString('latin1')
  return /^<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)["']/.exec(prolog)?.[1]
}
