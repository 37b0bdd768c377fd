import type { Random } from '../../../bench/kit/random.ts'

const SNIPPETS = [
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '--',
  '-',
  '<?xml',
  '<?xml version="1.0"?>',
  '<?x y?>',
  '<?',
  '?>',
  '?',
  '<!',
  '!',
  '<',
  '</',
  '>',
  '/>',
  '/',
  '&',
  ';',
  '&#0;',
  '&#x1F;',
  '&#xD800;',
  '&#x41;',
  '&#X41;',
  '&#10;',
  '&#x1F3AD;',
  '&#x110000;',
  '&foo;',
  '&amp;',
  '&AMP;',
  '&lt;',
  '&Lt;',
  '"',
  "'",
  '=',
  ' ',
  '\t',
  '\n',
  '\r',
  '\r\n',
  '\u0000',
  '\u0001',
  '\u007F',
  '\u0085',
  '\u00A0',
  '\u00E9',
  '\u00D7',
  '\u2028',
  '\u3000',
  '\uFEFF',
  '\uFFFD',
  '\uFFFE',
  '🎭',
  ':',
  '.',
  '1',
  'xmlns:a="b"',
  ' xmlns:a=',
  ' hasOwnProperty="1"',
  ' hasOwnProperty=',
  ' __proto__="1"',
  ' __proto__=',
  ' constructor="1"',
  ' constructor=',
  ' toString="a\tb"',
  ' a="<"',
  ' a=">"',
  ' a="]]>"',
  " a='\"&quot;\n&#13;'",
  '<a/>',
  '<a b="c">',
  '</a>',
  '<eventList>',
  '</eventList>',
  ']',
  '[',
  '\u000B',
  '\u000C'
]

/** Between one and four changes of the document's characters. */
export function mutate(document: string, random: Random): string {
  let text = document
  for (let changes = 1 + random(2) * random(4); changes > 0; changes--) {
    const from = random(text.length + 1)
    const to = Math.min(text.length, from + 1 + random(random(4) === 0 ? 60 : 3))
    const snippet = SNIPPETS[random(SNIPPETS.length)]!
    const other = random(text.length + 1)
    const changed = [
      () => text.slice(0, from) + snippet + text.slice(from),
      () => text.slice(0, from) + snippet + text.slice(to),
      () => text.slice(0, from) + text.slice(to),
      () => text.slice(0, from) + text.slice(from, to) + text.slice(from),
      () => text.slice(0, other) + text.slice(from, to) + text.slice(other),
      () => text.slice(0, from) + snippet + text.slice(from, to) + snippet + text.slice(to)
    ]
    text = changed[random(changed.length)]!()
  }
  return text
}
