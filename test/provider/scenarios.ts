import type { Answer, Script } from './answer.ts'
import { blankFeed, HTML_PAGE, XHTML_PAGE } from './bodies.ts'
import { faulty } from './faults.ts'
import { writeEvent, writeFeed, writeVersion } from './feeds.ts'
import { inCircles, inTurn, redirectChain } from './scripts.ts'
import { honest, lying } from './validators.ts'

export interface Scenario {
  name: string
  description: string
  /** A script with a state of its own. */
  start(seed: number): Script
}

const FEED = writeFeed(40)
const HTML: Answer = { body: HTML_PAGE, headers: { 'content-type': 'text/html; charset=utf-8' } }
const DOWN: Answer = { status: 503, headers: { 'retry-after': '5' }, body: 'try again later' }
const CUT: Answer = { body: FEED, framing: 'close', cutAfter: FEED.length >> 1 }
const STALL: Answer = { body: FEED, stallAfter: FEED.length >> 1 }
/** Says that it is UTF-8, and is ISO-8859-1. */
const CHARSET: Answer = {
  body: Buffer.from(writeFeed([writeEvent(1, {}, 'Ópera sin fin'), writeEvent(2)]), 'latin1'),
  headers: { 'content-type': 'application/xml; charset=utf-8' }
}

/** What `npm run provider -- --scenario NAME` plays. */
export const SCENARIOS: Scenario[] = [
  {
    name: 'honest',
    description: 'the same 40 events, with ETag and Last-Modified, and 304 to who has them',
    start: () => serveCurrent(() => FEED)
  },
  {
    name: 'changing',
    description: 'every request finds one event more, one less and one changed',
    start: () => serveCurrent(createVersions())
  },
  {
    name: 'flaky',
    description: '36 of 100 requests fail, each in one of a dozen ways, decided by --seed',
    start: (seed) => faulty(36, seed, () => ({ body: FEED }))
  },
  {
    name: 'tour',
    description: 'good; then down, an HTML page, cut, wrong bytes and silent, 3 requests each; then good and changed',
    start: () =>
      inTurn(
        { times: 1, script: { body: FEED } },
        ...[DOWN, HTML, CUT, CHARSET, STALL].map((script) => ({ times: 3, script })),
        { script: { body: writeVersion(1) } }
      )
  },
  {
    name: 'half',
    description: '40 events, then fewer than half of them, well-formed',
    start: () => inTurn({ script: { body: FEED } }, { script: { body: writeFeed(15) } })
  },
  {
    name: 'down',
    description: '503 with Retry-After: 5',
    start: () => () => DOWN
  },
  {
    name: 'gone',
    description: '404',
    start: () => () => ({ status: 404, body: 'not found' })
  },
  {
    name: 'slow',
    description: 'the whole feed, 200 bytes every 100 ms, the first of them after 1 s',
    start: () => () => ({ body: FEED, delayMs: 1000, drip: { bytes: 200, everyMs: 100 } })
  },
  {
    name: 'stall',
    description: 'half of the feed, then silence',
    start: () => () => STALL
  },
  {
    name: 'cut',
    description:
      'half of the feed, then the connection ends; framed by content-length, by chunks and not at all in turn',
    start: () => inCircles(...(['content-length', 'chunked', 'close'] as const).map((framing) => ({ ...CUT, framing })))
  },
  {
    name: 'endless',
    description: 'events without end',
    start: () => () => ({ body: endlessFeed() })
  },
  {
    name: 'bomb',
    description: 'gzip that is a thousand times as large when unpacked, without end',
    start: () => () => ({ body: blankFeed(), gzip: true })
  },
  {
    name: 'html',
    description: 'an HTML page, then an XHTML page, both with status 200',
    start: () => inCircles(HTML, { body: XHTML_PAGE })
  },
  {
    name: 'empty',
    description: 'nothing at all, then blanks, then a feed without events',
    start: () => inCircles({ body: '' }, { body: ' \n ' }, { body: writeFeed([]) })
  },
  {
    name: 'charset',
    description: 'bytes in ISO-8859-1 that are said to be UTF-8',
    start: () => () => CHARSET
  },
  {
    name: 'doctype',
    description: 'a DOCTYPE with entities that grow, before the feed',
    start: () => () => ({ body: FEED.replace('<eventList', '<!DOCTYPE x [<!ENTITY a "&b;&b;">]>\n<eventList') })
  },
  {
    name: 'redirects',
    description: 'three redirects to the feed',
    start: () => redirectChain(3, { body: FEED })
  },
  {
    name: 'lost',
    description: 'four redirects in a circle, then one to file:///etc/passwd, in turn',
    start: () => {
      const circle: Answer = { status: 302, headers: { location: '/feed.xml' } }
      return inCircles(circle, circle, circle, circle, { status: 302, headers: { location: 'file:///etc/passwd' } })
    }
  },
  {
    name: 'lying-etag',
    description: 'another document every time under the same ETag, and 304 with a body to who has it, every other time',
    start: () => {
      const next = createVersions()
      return inCircles(lying.sameEtagChangedBody(next), lying.body304(next))
    }
  }
]

const MODIFIED = new Date('2026-01-01T00:00:00Z')

/** Each version counts as changed a minute after the one before it. */
function serveCurrent(next: () => string): Script {
  let versions = 0
  let last = ''
  return honest(() => {
    const body = next()
    if (body !== last) versions++
    last = body
    return { body, modified: new Date(MODIFIED.getTime() + versions * 60_000) }
  })
}

function createVersions(): () => string {
  let version = 0
  return () => writeVersion(version++)
}

function* endlessFeed(): Generator<string> {
  yield writeFeed([]).split('   </output>')[0]!
  for (let id = 1; ; id++) yield writeEvent(id)
}
