import { describe, expect, it } from 'vitest'
import { FeedError } from '../../adapters/kit/errors.ts'
import { decodeText } from '../../adapters/kit/text.ts'
import { createRandom } from '../../bench/kit/random.ts'
import { isFull, recordHazard } from '../hazards/record.ts'
import { feed } from '../helper.ts'
import { asStream } from './kit/as-stream.ts'
import { type Comparison, compareWithOracle } from './kit/compare.ts'
import { readCorpus } from './kit/corpus.ts'
import { mutate } from './kit/mutate.ts'
import { takeApart } from './kit/parts.ts'

/** What saxes accepts and we refuse, with good reason: all of these, and nothing else. */
const EXCEPTIONS: Record<string, (document: string, refusal: FeedError) => boolean> = {
  // Refused whatever it says, as it is where attacks come from.
  'a DOCTYPE': (_, { reason }) => reason === 'doctype',
  // Other versions have other characters and line ends.
  'a version other than 1.0': (document, { message }) =>
    message.includes('not one of XML 1.0') && !/^\uFEFF?<\?xml\s+version\s*=\s*["']1\.0["']/.test(document),
  // Only the fifth edition allows them; sax knows none.
  'a name with characters beyond U+FFFF': (document, { message }) =>
    /Unencoded <|Invalid attribute name|Invalid character in tag name/.test(message) &&
    /[\u{10000}-\u{EFFFF}]/u.test(document),
  // `<?a?b?>` is a fault of saxes: a name has no question mark.
  'a question mark in the name of an instruction': (document, { message }) =>
    message.includes('a processing instruction has no name') && /<\?[^\s?]+\?[^>]/.test(document)
}

/** Counts verdicts; collects what is wrong. */
function createTally() {
  const counts: Record<string, number> = {}
  const wrong: string[] = []
  return {
    counts,
    wrong,
    add(what: string, document: string, { verdict, refusal }: Comparison): void {
      const isException = ([, applies]: [string, (typeof EXCEPTIONS)[string]]) => applies(document, refusal!)
      const exception = verdict === 'wrongly refused' ? Object.entries(EXCEPTIONS).find(isException)?.[0] : undefined
      const name = exception ?? verdict
      counts[name] = (counts[name] ?? 0) + 1
      if (exception !== undefined || verdict.startsWith('both')) return
      wrong.push(`${what}: ${verdict}, ${refusal?.message}: ${JSON.stringify(document).slice(0, 2000)}`)
    }
  }
}

/** Undefined when there is a wrong byte in it, or its encoding is not read. */
async function decode(bytes: Buffer): Promise<string | undefined> {
  let text = ''
  try {
    for await (const piece of decodeText(asStream([bytes]), null)) text += piece
    return text
  } catch (error) {
    if (error instanceof FeedError) return undefined
    throw error
  }
}

describe("the reader's judgement and that of saxes", () => {
  it('are the same on the documents of the W3C, as they are, without their DOCTYPE, and inside of a feed', async ({
    task
  }) => {
    const documents = readCorpus()
    const tally = createTally()
    let undecodable = 0
    for (const [name, bytes] of documents) {
      const text = await decode(bytes)
      if (text === undefined) {
        undecodable++
        continue
      }
      const { prolog, doctype, rest, root } = takeApart(text)
      tally.add(name, text, compareWithOracle(text, root))
      const bare = prolog + rest
      if (doctype !== '') tally.add(`${name}, stripped`, bare, compareWithOracle(bare, root))
      const inside = `<eventList><output>${rest}</output></eventList>`
      tally.add(`${name}, inside`, inside, compareWithOracle(inside, 'eventList'))
    }
    recordHazard(task, {
      hazard: "W3C's documents that the oracle (saxes) refuses, as they are, without DOCTYPE, and in a feed",
      expected: 'never complete; the same records where it accepts',
      figure: `judged otherwise ${tally.wrong.length} of ${documents.size} × 3`
    })
    expect(tally.wrong, `judged otherwise: ${tally.wrong.length} of ${documents.size}`).toEqual([])
    expect(documents.size).toBe(2584)
    expect({ ...tally.counts, undecodable }).toEqual({
      'both accept': 3497,
      'both refuse': 2057,
      'a DOCTYPE': 1535,
      'a version other than 1.0': 115,
      'a name with characters beyond U+FFFF': 10,
      undecodable: 39
    })
  })

  it('are the same on mutants of a feed', { timeout: 600_000 }, async ({ task }) => {
    const random = createRandom(3)
    const feeds = await Promise.all(['v1-snapshot', 'v2-snapshot-1', 'v3-snapshot'].map(feed))
    feeds.push(UNUSUAL)
    const tally = createTally()
    const mutants = isFull ? 40_000 : 3000
    for (let mutant = 0; mutant < mutants; mutant++) {
      const document = mutate(feeds[random(feeds.length)]!, random)
      tally.add(`mutant ${mutant}`, document, compareWithOracle(document, /<(\w+List)/.exec(document)?.[1] ?? ''))
    }
    recordHazard(task, {
      hazard: 'mutants of a feed, against the same oracle',
      expected: 'the same judgement, the same records',
      figure: `judged otherwise ${tally.wrong.length} of ${mutants}`
    })
    expect(tally.wrong.slice(0, 3), `judged otherwise: ${tally.wrong.length} of ${mutants}`).toEqual([])
    expect(tally.counts['both accept']).toBeGreaterThan(mutants / 5)
    expect(tally.counts['both refuse']).toBeGreaterThan(mutants / 2)
  })
})

const UNUSUAL = `<?xml version='1.0' standalone="yes" ?>
<?pi some?thing??>
<!-- c - d -->
<eventList a="b"><output><![CDATA[ x ]] > <a> & ]]>text ]] &gt; &#233;<!-- n --><base_event base_event_id='1'
title="A &amp; B &lt;&#10;&quot;
"><event/><z  a = 'b'
/></base_event ></output></eventList>
<!-- end --><?end?>
`
