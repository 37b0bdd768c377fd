import { describe, expect, it } from 'vitest'
import { FeedError } from '../../adapters/kit/errors.ts'
import { decodeText } from '../../adapters/kit/text.ts'

interface Decoded {
  text: string
  reason?: string
  message?: string
}

/** What came out before the end or the fault. */
async function decode(bytes: Uint8Array, charset: string | null = null, size = 7): Promise<Decoded> {
  async function* pieces() {
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
  }
  let text = ''
  try {
    for await (const piece of decodeText(pieces(), charset)) text += piece
  } catch (error) {
    if (error instanceof FeedError) return { text, reason: error.reason, message: error.message }
    throw error
  }
  return { text }
}
const SIZES = [1, 2, 3, 4, 5, 7, 511, 512, 513, 100_000]

/** A document in bytes: strings are ASCII, numbers are bytes. */
const bytesOf = (...parts: (string | number[])[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)))
const utf16 = (text: string, order: 'le' | 'be') => {
  const bytes = Buffer.from(text, 'utf16le')
  return order === 'be' ? bytes.swap16() : bytes
}
const declare = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?>`
const TEXT = '<a>Ámbito ñ € 🎭</a>'
const LONG = `<a>${'ñ🎭€'.repeat(500)}</a>`

describe('decoding', () => {
  const right: [string, Uint8Array, string | null, string][] = [
    ['UTF-8 where nothing is said', bytesOf(TEXT), null, TEXT],
    ['UTF-8, long', bytesOf(LONG), null, LONG],
    ['UTF-8 with a mark', bytesOf(`\ufeff${TEXT}`), null, TEXT],
    ['a mark before HTTP', bytesOf(`\ufeff${TEXT}`), 'iso-8859-1', TEXT],
    ['a mark before the declaration', bytesOf(`\ufeff${declare('utf-16')}ñ`), null, `${declare('utf-16')}ñ`],
    ['UTF-16 LE with a mark', utf16(`\ufeff${LONG}`, 'le'), null, LONG],
    ['UTF-16 BE with a mark', utf16(`\ufeff${LONG}`, 'be'), 'utf-8', LONG],
    ['UTF-16 LE without', utf16(TEXT, 'le'), null, TEXT],
    ['UTF-16 BE without', utf16(TEXT, 'be'), null, TEXT],
    ['UTF-16 BE, HTTP says UTF-16', utf16(LONG, 'be'), 'UTF-16', LONG],
    ['UTF-16 LE, HTTP says UTF-16', utf16(LONG, 'le'), 'utf-16', LONG],
    ['UTF-16 BE, HTTP says so', utf16(TEXT, 'be'), 'utf-16be', TEXT],
    ['UTF-16 BE, declared', utf16(`${declare('UTF-16')}ñ`, 'be'), null, `${declare('UTF-16')}ñ`],
    ['HTTP before the declaration', bytesOf(declare('utf-8'), [0xe1]), 'iso-8859-1', `${declare('utf-8')}á`],
    ['ISO-8859-1', bytesOf(declare('ISO-8859-1'), [0xe1]), null, `${declare('ISO-8859-1')}á`],
    ['ISO-8859-1 as windows-1252', bytesOf('<a>', [0x80, 0x93, 0x9f]), 'iso-8859-1', '<a>€“Ÿ'],
    ['ISO-8859-2', bytesOf(declare('iso-8859-2'), [0xb1, 0xe8]), null, `${declare('iso-8859-2')}ąč`],
    ['ISO-8859-15', bytesOf(declare('ISO-8859-15'), [0xa4, 0xbd]), null, `${declare('ISO-8859-15')}€œ`],
    ['windows-1252', bytesOf(declare('windows-1252'), [0x80, 0x8a]), null, `${declare('windows-1252')}€Š`],
    ['windows-1252 by HTTP', bytesOf('a'.repeat(2000), [0x80]), 'Windows-1252', `${'a'.repeat(2000)}€`],
    ['ASCII', bytesOf('<a/>'), 'us-ascii', '<a/>'],
    ['nothing at all', bytesOf(), 'utf-16', '']
  ]
  for (const [name, bytes, charset, text] of right) {
    it(`reads ${name}, however it is cut`, async () => {
      for (const size of SIZES) expect(await decode(bytes, charset, size)).toEqual({ text })
    })
  }

  const far = 'a'.repeat(1000)
  const wrong: [string, Uint8Array, string | null, Decoded][] = [
    ['latin-1 in UTF-8', bytesOf('<a>', [0xe1], '</a>'), null, said('<a>', 'E1', 3, 'utf-8')],
    ['UTF-8 that breaks off', bytesOf(far, [0xf0, 0x9f, 0x8e], '</a>'), null, said(far, 'F0', 1000, 'utf-8')],
    ['a byte that follows nothing', bytesOf(far, 'ñ', [0x80]), null, said(`${far}ñ`, '80', 1002, 'utf-8')],
    ['a surrogate in UTF-8', bytesOf([0xed, 0xa0, 0x80]), null, said('', 'ED', 0, 'utf-8')],
    ['an overlong form', bytesOf('<', [0xc0, 0xaf]), null, said('<', 'C0', 1, 'utf-8')],
    ['beyond Unicode', bytesOf('ñ', [0xf4, 0x90, 0x80, 0x80]), null, said('ñ', 'F4', 2, 'utf-8')],
    ['after a mark', bytesOf('\ufeff<a>', [0xff]), null, said('<a>', 'FF', 6, 'utf-8')],
    ['UTF-8 said to be so', bytesOf('<a>', [0xff]), 'UTF-8', said('<a>', 'FF', 3, 'UTF-8')],
    [
      'half a pair in UTF-16 LE',
      Buffer.concat([utf16('\ufeff<🎭', 'le'), Buffer.from([0x3d, 0xd8, 0x41, 0])]),
      null,
      said('<🎭', '3D', 8, 'utf-16le')
    ],
    [
      'half a pair in UTF-16 BE',
      Buffer.concat([utf16(`<a>${far}`, 'be'), Buffer.from([0xd8, 0x3d, 0, 0x41])]),
      null,
      said(`<a>${far}`, 'D8', 2006, 'utf-16be')
    ],
    [
      'the other half',
      Buffer.concat([utf16('<a>', 'le'), Buffer.from([0, 0xdc])]),
      null,
      said('<a>', '00', 6, 'utf-16le')
    ],
    ...[0x81, 0x8d, 0x8f, 0x90, 0x9d].map((byte): (typeof wrong)[number] => [
      `0x${byte.toString(16)} in ISO-8859-1`,
      bytesOf(far, [0xe1, byte]),
      'ISO-8859-1',
      said(`${far}á`, byte.toString(16).toUpperCase(), 1001, 'ISO-8859-1')
    ]),
    ['0x9D in windows-1252', bytesOf('<a>', [0x80, 0x9d]), 'windows-1252', said('<a>€', '9D', 4, 'windows-1252')],
    ['ASCII that is none', bytesOf('<a>', 'ñ'), 'us-ascii', said('<a>', 'C3', 3, 'us-ascii')],
    ['ASCII said to be UTF-16', bytesOf('<a>text</a>'), 'utf-16', refused('is said to be utf-16, and is not')],
    ['ASCII declared UTF-16', bytesOf(declare('UTF-16')), null, refused('is said to be UTF-16, and is not')],
    ['UTF-16 said to be UTF-8', utf16(TEXT, 'le'), 'utf-8', refused('is said to be utf-8, and is utf-16le')],
    ['the other order', utf16(TEXT, 'le'), 'utf-16be', refused('is said to be utf-16be, and is utf-16le')],
    ...['klingon', 'replacement', 'iso-2022-kr', 'x-user-defined', 'utf-7', 'utf-32', 'shift_jis'].map(
      (label): (typeof wrong)[number] => [label, bytesOf('<a/>'), label, refused(`encoding "${label}" is not one`)]
    ),
    ['an unknown one, declared', bytesOf(declare('klingon')), null, refused('encoding "klingon" is not one')],
    ['UTF-8 that ends too early', bytesOf(`${far}ñ`, [0xc3]), null, cut(`${far}ñ`, 'utf-8')],
    ['four bytes that end too early', bytesOf('<a>', [0xf0, 0x9f, 0x8e]), null, cut('<a>', 'utf-8')],
    ['UTF-16 that ends too early', utf16(LONG, 'le').subarray(0, -1), null, cut(LONG.slice(0, -1), 'utf-16le')],
    ['UTF-16 that ends in a pair', utf16('<a>🎭', 'be').subarray(0, -2), null, cut('<a>', 'utf-16be')]
  ]
  for (const [name, bytes, charset, expected] of wrong) {
    it(`refuses ${name}, however it is cut`, async () => {
      for (const size of SIZES) {
        const decoded = await decode(bytes, charset, size)
        expect(decoded).toEqual({ ...expected, message: expect.stringContaining(expected.message!) })
      }
    })
  }
})

function said(text: string, hex: string, offset: number, label: string): Decoded {
  return { text, reason: 'encoding', message: `the byte 0x${hex} at offset ${offset} is not valid in ${label}` }
}
function refused(message: string): Decoded {
  return { text: '', reason: 'encoding', message }
}
function cut(text: string, label: string): Decoded {
  return { text, reason: 'truncated', message: `the document ends inside a character of ${label}` }
}
