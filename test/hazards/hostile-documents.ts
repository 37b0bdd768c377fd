import type { Piece } from '../provider/answer.ts'
import { concat, repeat } from '../provider/bodies.ts'
import { FEED_HEAD, writeEvent, writeFeed } from '../provider/feeds.ts'

const MB = 1e6
const EVENT = '<base_event base_event_id="1" sell_mode="online" title="T"><event event_id="1"'
// Whoever reads it after all finds in it what is listed.
const FEED = writeFeed(5000)
const before = (document: string, what: string) => document.replace('<eventList', `${what}\n<eventList`)

/**
 * Documents that are made to hurt whoever reads them, by name.
 * @param trap an address that must not be asked for anything
 */
export function hostileDocuments(trap: string): Record<string, () => Piece | Iterable<Piece>> {
  const xxe = `<!DOCTYPE eventList [<!ENTITY x SYSTEM "${trap}/entity">]>`
  const parameter = `<!DOCTYPE eventList [<!ENTITY % x SYSTEM "${trap}/parameter"> %x;]>`
  const laughs = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('')
  const big =
    (open: string, filling = 'a') =>
    () =>
      concat(FEED_HEAD, open, repeat(filling, 50 * MB))
  return {
    'external entity': () => before(FEED, xxe).replace('Event 1', '&x;'),
    'external parameter entity': () => before(FEED, parameter),
    'external DTD': () => before(FEED, `<!DOCTYPE eventList SYSTEM "${trap}/dtd">`),
    'billion laughs': () => before(FEED, `<!DOCTYPE x [<!ENTITY l0 "ha">${laughs}]>`).replace('Event 1', '&l9;'),
    'stylesheet, schema and XInclude elsewhere': () =>
      before(FEED, `<?xml-stylesheet href="${trap}/style"?>`)
        .replace('version="1.0">', `xmlns:xi="http://www.w3.org/2001/XInclude" xsi:schemaLocation="a ${trap}/schema">`)
        .replace('<output>', `<xi:include href="${trap}/include"/><output>`),
    'DOCTYPE of 50 MB': () => concat('<!DOCTYPE eventList [', repeat('<!ENTITY a "b">', 50 * MB)),
    'DOCTYPE of 50 MB in quotes': () => concat('<!DOCTYPE eventList "', repeat('a', 50 * MB)),
    'attribute value of 50 MB': big(`${EVENT} title="`),
    'attribute value of 50 MB of references': big(`${EVENT} title="`, '&#97;'),
    'attribute name of 50 MB': big(`${EVENT} `),
    'element name of 50 MB': big('<'),
    'name of 50 MB of a closing tag': big(`${EVENT}></`),
    'blanks of 50 MB inside a tag': big(`${EVENT} `, ' '),
    'text of 50 MB': big(''),
    'text of 50 MB inside an event': big(`${EVENT}>`),
    'text of 50 MB of references': big('', '&amp;'),
    'name of 50 MB of a reference': big('&'),
    'comment of 50 MB': big('<!--'),
    'CDATA of 50 MB': big('<![CDATA['),
    'CDATA of 50 MB inside an event': big(`${EVENT}><![CDATA[`),
    'processing instruction of 50 MB': big('<?x '),
    'declaration of 50 MB': () => concat('<?xml version="1.0" encoding="', repeat('a', 50 * MB)),
    'blanks of 50 MB before the root': () => repeat(' \n', 50 * MB),
    'comments of 50 MB before the root': () => repeat('<!--a-->', 50 * MB),
    '200 000 deep': () => concat(FEED_HEAD, repeat('<a>', 600_000)),
    '200 000 deep, and up again': () => `${'<a>'.repeat(200_000)}${'</a>'.repeat(200_000)}`,
    '7 000 opened, 7 000 others closed': () => `${FEED_HEAD}${'<a>'.repeat(7000)}${'</b>'.repeat(7000)}`,
    '7 000 others closed': () => `${FEED_HEAD}${'</b>'.repeat(7000)}`,
    '100 000 attributes': () =>
      concat(
        FEED_HEAD,
        EVENT,
        numbered((i) => ` a${i}="${i}"`, 100_000)
      ),
    '100 000 times the same attribute': () => concat(FEED_HEAD, EVENT, repeat(' a="1"', 600_000)),
    'namespaces nested, 45 kB': () =>
      concat(
        FEED_HEAD,
        numbered((i) => `<n${i}:a xmlns:n${i}="u${i}">`, 2000)
      ),
    'namespaces side by side, 50 MB': big('', '<n:a xmlns:n="u"/>'),
    'zones without end in one event': big(
      `${EVENT}>`,
      '<zone zone_id="1" capacity="1" price="1" name="" numbered="true"/>'
    ),
    'unknown elements without end': big('', '<a/>'),
    'events without end': () =>
      concat(
        FEED_HEAD,
        numbered((i) => writeEvent(i), Infinity)
      ),
    'events without end, all the same': big('', writeEvent(1)),
    'tiny events without end, all wrong': big('<base_event base_event_id="1">', '<event/>'),
    'attributes named like parts of objects': () =>
      FEED.replace('<event ', '<event __proto__="1" constructor="2" toString="3" hasOwnProperty="4" '),
    'elements named like parts of objects': () =>
      FEED.replace('<output>', '<output><__proto__ a="1"/><constructor/><hasOwnProperty/>'),
    'root named like a part of objects': () => '<__proto__><output/></__proto__>',
    'text that looks like markup, 50 MB': big('', ']]&gt;'),
    'unfinished tags, 50 MB': big('', '<a <a '),
    'zeros, 50 MB': () => repeat('\0', 50 * MB)
  }
}

function* numbered(write: (number: number) => string, count: number): Generator<string> {
  let piece = ''
  for (let i = 1; i <= count; i++) {
    piece += write(i)
    if (piece.length < 65_536) continue
    yield piece
    piece = ''
  }
  yield piece
}
