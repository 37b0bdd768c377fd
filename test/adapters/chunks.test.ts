import { isDeepStrictEqual } from 'node:util'
import { expect, it } from 'vitest'
import { FeedError } from '../../adapters/kit/errors.ts'
import { decodeText } from '../../adapters/kit/text.ts'
import type { XmlLimits } from '../../adapters/kit/xml-limits.ts'
import { createProviderReader } from '../../adapters/provider-xml.ts'
import { createRandom, type Random } from '../../bench/kit/random.ts'
import { isFull, recordHazard } from '../hazards/record.ts'
import { asStream } from './kit/as-stream.ts'
import { LIMITS } from './kit/compare.ts'
import { writeRandomFeed } from './kit/random-feed.ts'

const FEEDS = 10_000

/** Records, paths, raw texts, and how it ended. */
async function read(pieces: Iterable<Uint8Array>, charset: string | null, limits: XmlLimits): Promise<unknown[]> {
  const reader = createProviderReader(limits)
  const seen: unknown[] = []
  let outcome = 'complete'
  try {
    for await (const text of decodeText(asStream(pieces), charset)) {
      try {
        reader.write(text)
      } finally {
        for (const { where, ...item } of reader.items.splice(0)) seen.push({ ...item, ...where() })
      }
    }
    reader.end()
  } catch (error) {
    if (!(error instanceof FeedError)) throw error
    outcome = error.reason
  }
  return [...seen, outcome]
}

function* cutAtRandom(bytes: Buffer, random: Random): Generator<Uint8Array> {
  const sizes = bytes.length > 20_000 ? [400, 40_000] : [1, 4, 40, 400, bytes.length]
  const most = sizes[random(sizes.length)]!
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random(most)
    yield bytes.subarray(at, at + size)
    at += size
  }
}

const OUTCOMES = ['complete', 'encoding', 'limits', 'malformed', 'not_a_feed', 'truncated']
/** Tight enough to be met with now and then. */
const TIGHT: XmlLimits = { max_depth: 5, max_attributes: 6, max_name: 22, max_field: 80, max_record: 900 }

it('gives the same records, or the same reason, in whatever pieces the bytes come', { timeout: 600_000 }, async ({
  task
}) => {
  const random = createRandom(10)
  const feeds = isFull ? FEEDS : FEEDS / 10
  const outcomes: Record<string, number> = {}
  const counterExamples: unknown[] = []
  for (let feed = 0; feed < feeds; feed++) {
    const { bytes, charset, isSound } = writeRandomFeed(random)
    const limits = random(4) === 0 ? TIGHT : LIMITS
    const whole = await read([bytes], charset, limits)
    const inPieces = await read(cutAtRandom(bytes, random), charset, limits)
    const outcome = String(whole.at(-1))
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    const isRight = isDeepStrictEqual(inPieces, whole) && (outcome === 'complete' || !isSound || limits === TIGHT)
    if (!isRight) counterExamples.push({ feed, whole, inPieces })
  }
  recordHazard(task, {
    hazard: 'any bytes in any chunking',
    expected: 'same records, or failure',
    figure: `counter-examples ${counterExamples.length} of ${feeds}`
  })
  expect(counterExamples.slice(0, 3), `counter-examples: ${counterExamples.length} of ${feeds}`).toEqual([])
  // All of them were met, or it would prove little.
  expect(Object.keys(outcomes).sort()).toEqual(OUTCOMES)
  expect(outcomes.complete).toBeGreaterThan(feeds / 3)
})
