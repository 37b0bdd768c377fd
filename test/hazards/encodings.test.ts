import { describe, expect, it } from 'vitest'
import { writeEvent, writeFeed } from '../provider/feeds.ts'
import { startListed } from './listed.ts'
import { recordHazard } from './record.ts'

const feed = (title: string, encoding: string) =>
  writeFeed([writeEvent('x', {}, title)]).replace('encoding="UTF-8"', encoding && `encoding="${encoding}"`)
const utf16 = (text: string, isBigEndian = false) => {
  const bytes = Buffer.from(text, 'utf16le')
  return isBigEndian ? bytes.swap16() : bytes
}
/** In an encoding of one byte a character, which for these differs from ISO-8859-1. */
const single = (text: string, bytes: Record<string, number>) =>
  Buffer.from([...text].map((character) => bytes[character] ?? character.charCodeAt(0)))
const LATIN_2 = { Ł: 0xa3, ź: 0xbc, ą: 0xb1, ó: 0xf3 }
const LATIN_9 = { '€': 0xa4, Š: 0xa6, œ: 0xbd }
const WINDOWS = { '€': 0x80, '“': 0x93, '”': 0x94 }
const WIDE = 'Ópera ñ € 🎭'

interface Case {
  bytes: Buffer
  charset?: string
  /** null: it must be refused. */
  title: string | null
}

const CASES: Record<string, Case> = {
  'UTF-8': { bytes: Buffer.from(feed(WIDE, 'UTF-8')), title: WIDE },
  'UTF-8 with BOM, against every label': {
    bytes: Buffer.from(`\ufeff${feed(WIDE, 'ISO-8859-1')}`),
    charset: 'windows-1252',
    title: WIDE
  },
  'UTF-16 LE with BOM': { bytes: utf16(`\ufeff${feed(WIDE, 'UTF-16')}`), title: WIDE },
  'UTF-16 BE with BOM': { bytes: utf16(`\ufeff${feed(WIDE, 'UTF-16')}`, true), title: WIDE },
  'UTF-16 LE without BOM': { bytes: utf16(feed(WIDE, 'UTF-16')), title: WIDE },
  'UTF-16 BE without BOM': { bytes: utf16(feed(WIDE, 'UTF-16'), true), title: WIDE },
  'ISO-8859-1': { bytes: Buffer.from(feed('Ópera ñ', 'ISO-8859-1'), 'latin1'), title: 'Ópera ñ' },
  'ISO-8859-2': { bytes: single(feed('Łódź są', 'ISO-8859-2'), LATIN_2), title: 'Łódź są' },
  'ISO-8859-15, said by HTTP alone': {
    bytes: single(feed('10 € Šœ', 'UTF-8'), LATIN_9),
    charset: 'ISO-8859-15',
    title: '10 € Šœ'
  },
  'windows-1252': { bytes: single(feed('“Ópera” 10 €', 'windows-1252'), WINDOWS), title: '“Ópera” 10 €' },
  'wrong label: ISO-8859-1 called UTF-8': {
    bytes: Buffer.from(feed('Ópera ñ', 'ISO-8859-1'), 'latin1'),
    charset: 'utf-8',
    title: null
  },
  'invalid UTF-8': {
    bytes: Buffer.from(feed('a\xed\xa0\x80b\xc3', 'UTF-8'), 'latin1'),
    title: null
  }
}

describe('an encoding', () => {
  it('is decoded right, or the feed is refused; no replacement character ever gets into the store', async ({
    task
  }) => {
    const wrong: string[] = []
    for (const [name, { bytes, charset, title }] of Object.entries(CASES)) {
      // Each is a feed of its own, in which all the others are missing.
      await using listed = await startListed({ vanish_guard: false })
      const { provider, service } = listed
      const type = charset === undefined ? 'application/xml' : `application/xml; charset=${charset}`
      provider.serve({ body: bytes, headers: { 'content-type': type } })
      const run = await service.ingest('demo')
      const events = await service.events()
      const isRight =
        title === null
          ? run.reason === 'encoding' && run.counts.delisted === 0 && (await listed.countLost()) === 0
          : run.outcome === 'complete' && events.some((event) => event.event_id === 'x' && event.title === title)
      if (!isRight || JSON.stringify(events).includes('\ufffd')) wrong.push(`${name}: ${run.reason} ${run.detail}`)
    }
    const count = Object.keys(CASES).length
    recordHazard(task, {
      hazard: 'UTF-8, UTF-16 with and without BOM, ISO-8859-1/-2/-15, windows-1252, wrong label, invalid UTF-8',
      expected: 'decoded right or refused',
      figure: `${count - wrong.length} of ${count}`
    })
    expect(wrong).toEqual([])
  })
})
