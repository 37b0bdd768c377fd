import { describe, expect, it } from 'vitest'
import { decodeText } from '../../adapters/kit/text.ts'

async function decode(bytes: Uint8Array, charset: string | null = null, size = 7): Promise<string> {
  async function* pieces() {
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
  }
  let text = ''
  for await (const piece of decodeText(pieces(), charset)) text += piece
  return text
}
const utf16 = (text: string, { bom, bigEndian }: { bom: boolean; bigEndian: boolean }) => {
  const bytes = Buffer.from(bom ? `\ufeff${text}` : text, 'utf16le')
  return bigEndian ? bytes.swap16() : bytes
}
const declare = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?>`

describe('decoding', () => {
  const text = '<a>Ámbito ñ €</a>'

  it('is UTF-8 where nothing is said, with and without a byte order mark, however it is cut', async () => {
    const long = `<a>${'ñ🎭€'.repeat(500)}</a>`
    for (const size of [1, 2, 3, 5, 511, 512, 513, 10_000]) {
      expect(await decode(Buffer.from(long), null, size)).toBe(long)
    }
    expect(await decode(Buffer.from(`\ufeff${text}`))).toBe(text)
  })

  it('is UTF-16 by its mark, or by how it begins', async () => {
    for (const bigEndian of [true, false]) {
      for (const bom of [true, false]) expect(await decode(utf16(text, { bom, bigEndian }))).toBe(text)
    }
  })

  it('believes the mark before HTTP, HTTP before the declaration', async () => {
    expect(await decode(Buffer.from(`\ufeff${text}`), 'iso-8859-1')).toBe(text)
    const latin = Buffer.from(`${declare('utf-8')}<a>\xe1</a>`, 'latin1')
    expect(await decode(latin, 'iso-8859-1')).toBe(`${declare('utf-8')}<a>á</a>`)
  })

  it('reads what the declaration says', async () => {
    const cases: [string, number, string][] = [
      ['ISO-8859-1', 0xe1, 'á'],
      ['iso-8859-2', 0xb1, 'ą'],
      ['ISO-8859-15', 0xa4, '€'],
      ['windows-1252', 0x80, '€']
    ]
    for (const [encoding, byte, character] of cases) {
      const bytes = Buffer.concat([Buffer.from(declare(encoding)), Buffer.from([byte])])
      expect(await decode(bytes)).toBe(declare(encoding) + character)
    }
  })

  it('refuses wrong bytes, bytes that are missing, and encodings that nobody knows', async () => {
    const wrong = { reason: 'encoding' }
    await expect(decode(Buffer.from('<a>\xe1</a>', 'latin1'))).rejects.toMatchObject(wrong)
    await expect(decode(Buffer.concat([Buffer.alloc(2000, 'a'), Buffer.from([0xc3])]))).rejects.toMatchObject(wrong)
    await expect(decode(Buffer.from([0xed, 0xa0, 0x80]))).rejects.toMatchObject(wrong)
    await expect(decode(utf16(text, { bom: true, bigEndian: false }).subarray(0, -1))).rejects.toMatchObject(wrong)
    await expect(decode(Buffer.from('<a/>'), 'klingon')).rejects.toMatchObject(wrong)
    await expect(decode(Buffer.from(`${declare('klingon')}<a/>`))).rejects.toMatchObject(wrong)
  })
})
