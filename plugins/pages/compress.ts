import type { Transform } from 'node:stream'
import { promisify } from 'node:util'
import {
  brotliCompress,
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  gzip,
  zstdCompress
} from 'node:zlib'
import Negotiator from 'negotiator'

/** In the order in which they are preferred, where a client takes several equally. */
const ENCODINGS = ['br', 'zstd', 'gzip', 'identity'] as const
export type Encoding = (typeof ENCODINGS)[number]

/** Less is not worth it. */
export const LEAST_BYTES = 1000

const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants
const COMPRESS = {
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, { params: { [BROTLI_PARAM_QUALITY]: 5, [BROTLI_PARAM_SIZE_HINT]: body.length } }),
  zstd: (body: Buffer) => promisify(zstdCompress)(body),
  gzip: (body: Buffer) => promisify(gzip)(body)
}

/** Its types are of a former version. */
interface Accepted {
  encodings(available: readonly Encoding[], options: { preferred: readonly Encoding[] }): Encoding[]
}

/** Of what has no end yet. */
export const COMPRESSORS: Record<Exclude<Encoding, 'identity'>, () => Transform> = {
  br: () => createBrotliCompress({ params: { [BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: () => createZstdCompress(),
  gzip: () => createGzip()
}

const known = new Map<string, Encoding>()
const MOST_KNOWN = 1000
const LONGEST_KNOWN = 200

/** @param header `Accept-Encoding` */
export function negotiate(header: string | string[] | undefined): Encoding {
  if (header === undefined) return 'identity'
  const text = String(header)
  let encoding = known.get(text)
  if (encoding === undefined) {
    const accepted = new Negotiator({ headers: { 'accept-encoding': text } }) as unknown as Accepted
    encoding = accepted.encodings(ENCODINGS, { preferred: ENCODINGS })[0] ?? 'identity'
    if (known.size >= MOST_KNOWN) known.clear()
    if (text.length <= LONGEST_KNOWN) known.set(text, encoding)
  }
  return encoding
}

/** Beside the thread: it costs no other request its time. */
export function compress(body: Buffer, encoding: Exclude<Encoding, 'identity'>): Promise<Buffer> {
  return COMPRESS[encoding](body)
}
