import type { Random } from '../../../bench/kit/random.ts'
import { mutate } from './mutate.ts'

export interface RandomFeed {
  bytes: Buffer
  charset: string | null
  /** Whether nothing is wrong with it. */
  isSound: boolean
}

/** A feed in one of the dialects, written in any way that XML allows, in any encoding; every other one with faults. */
export function writeRandomFeed(random: Random): RandomFeed {
  const encoding = pick(ENCODINGS, random)
  let text = writeDocument(random, encoding)
  const faulty = { length: random(60) === 0, text: random(2) === 0, bytes: random(4) === 0 }
  if (faulty.length) text = insertLong(text, random)
  if (faulty.text) text = mutate(text, random)
  let bytes = encode(text, encoding)
  if (faulty.bytes) bytes = mutateBytes(bytes, random)
  return { bytes, charset: encoding.charset ?? null, isSound: !Object.values(faulty).includes(true) }
}

/** Something of about the length that is looked at at once, which is that of the default limits, too. */
function insertLong(document: string, random: Random): string {
  const at = document.indexOf('<output')
  const filling = pick(['ñ ', '🎭', 'x<', '&amp;', '--', ']]', '?', '0'], random)
  const long = filling.repeat((30_000 + random(60_000)) / filling.length)
  const markup = pick(
    ['<!--_-->', '<![CDATA[_]]>', '<?pi _?>', '<other a="_"/>', '<_/>', '_', '&#_65;', '<a>_</a>'],
    random
  )
  return document.slice(0, at) + markup.replace('_', () => long) + document.slice(at)
}

interface Encoding {
  name: string
  /** What HTTP says. */
  charset?: string
  mark?: boolean
  declared?: string
}
const ENCODINGS: Encoding[] = [
  { name: 'utf8' },
  { name: 'utf8', declared: 'UTF-8' },
  { name: 'utf8', mark: true, declared: 'utf-8' },
  { name: 'utf16le', mark: true },
  { name: 'utf16le', declared: 'UTF-16' },
  { name: 'utf16be', mark: true, declared: 'UTF-16' },
  { name: 'utf16be', charset: 'utf-16' },
  { name: 'latin1', declared: 'ISO-8859-1' },
  { name: 'latin1', charset: 'windows-1252' }
]

function encode(text: string, { name, mark }: Encoding): Buffer {
  const marked = mark ? `\uFEFF${text}` : text
  if (name === 'utf8') return Buffer.from(marked)
  if (name !== 'latin1') return name === 'utf16le' ? Buffer.from(marked, name) : Buffer.from(marked, 'utf16le').swap16()
  const encodable = marked.replaceAll(/[^\0-\x7F\xA0-\xFF]/gu, (character) => `&#${character.codePointAt(0)};`)
  return Buffer.from(encodable, 'latin1')
}

/** Cut, or with one to three bytes changed, doubled or gone. */
function mutateBytes(bytes: Buffer, random: Random): Buffer {
  const at = random(bytes.length)
  const next = at + 1 + random(3)
  const changed = [
    () => bytes.subarray(0, at),
    () => Buffer.concat([bytes.subarray(0, at), Buffer.from([random(256)]), bytes.subarray(next)]),
    () => Buffer.concat([bytes.subarray(0, at), Buffer.from([128 + random(128)]), bytes.subarray(at)]),
    () => Buffer.concat([bytes.subarray(0, next), bytes.subarray(at)]),
    () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(next)])
  ]
  return pick(changed, random)()
}

const DIALECTS = [
  { root: 'eventList', base: 'base_event', event: 'event', start: 'event_start_date', price: 'price' },
  { root: 'eventList', base: 'base_event', event: 'event', start: 'event_date', price: 'max_price' },
  { root: 'planList', base: 'base_plan', event: 'plan', start: 'plan_start_date', price: 'price' }
]

function writeDocument(random: Random, { declared }: Encoding): string {
  const { root, base, event, start, price } = pick(DIALECTS, random)
  let id = 0
  const zone = () => element('zone', { zone_id: ++id, capacity: random(900), [price]: `${random(99)}.00` }, [], random)
  const one = () =>
    element(event, { [`${event}_id`]: ++id, [start]: '2021-06-30T21:00:00' }, many(3, zone, random), random)
  const several = () => element(base, { [`${base}_id`]: ++id, sell_mode: 'online' }, many(3, one, random), random)
  const content = many(1 + random(5), several, random)
  const declaration = declared === undefined ? '' : `<?xml version="1.0" encoding="${declared}"?>`
  const body = element(root, {}, [element('output', {}, content, random)], random)
  return declaration + (declaration === '' ? '' : outside(random)) + body + outside(random)
}

function many(most: number, write: () => string, random: Random): string[] {
  return Array.from({ length: random(most + 1) }, write)
}

function element(name: string, own: Record<string, unknown>, children: string[], random: Random): string {
  let tag = `<${name}`
  const attributes = { ...own, title: writeValue(random), [pick(OTHERS, random)]: writeValue(random) }
  for (const [key, value] of Object.entries(attributes)) {
    const quote = random(3) === 0 ? "'" : '"'
    tag += `${pick(BLANKS, random)}${key}${pick(EQUALS, random)}${quote}${String(value).replaceAll(quote, '')}${quote}`
  }
  if (children.length === 0 && random(2) === 0) return `${tag}${pick(['', ...BLANKS], random)}/>`
  const inner = children.map((child) => inside(random) + child).join('')
  return `${tag}${pick(['', ...BLANKS], random)}>${inner}${inside(random)}</${name}${pick(['', '', '\n'], random)}>`
}

const OTHERS = [
  'name',
  'organizer_company_id',
  'hasOwnProperty',
  '__proto__',
  'constructor',
  'xmlns:x',
  'año',
  'xml:lang'
]
const BLANKS = [' ', ' ', ' ', '\n   ', '\t', '\r\n']
const EQUALS = ['=', '=', '=', ' = ', '\n=']
const WORDS = [
  'Camela',
  'El Ni&#241;o',
  'Ópera',
  '&amp; friends',
  '&lt;3',
  'a > b',
  ']]>',
  '"quoted"',
  "it's",
  '&quot;',
  '&apos;',
  '🎭',
  '&#x1F3AD;',
  '€',
  'ñandú',
  'tab\there',
  'line\nbreak',
  '&#10;',
  '\r\n',
  'Mamma Mia!',
  'who?',
  '--',
  'x'.repeat(40),
  '&#0000000065;'
]
const TEXTS = ['', '', '\n   ', ' text ', '&amp;', ']] ', ']', '🎭', '>', 'ñ', '!', '?', '-', '\r\n']
const MISC = ['<!-- note -->', '<!---->', '<!-- a - b -> <zone/> ]]> -->', '<?pi?>', '<?go on??>', '<?x <event/> ?>']
const SECTIONS = ['<![CDATA[]]>', '<![CDATA[ <event> & ]] > ]]]]>', '<![CDATA[ --> ?> ]]>']

function writeValue(random: Random): string {
  return many(4, () => pick(WORDS, random), random).join(' ')
}
function inside(random: Random): string {
  const markup = random(8) === 0 ? pick([...MISC, ...SECTIONS, '<other><event/></other>'], random) : ''
  return pick(TEXTS, random) + markup + pick(TEXTS, random)
}
function outside(random: Random): string {
  return pick(['', '\n', ' \r\n'], random) + (random(4) === 0 ? pick(MISC, random) : '') + pick(['', '\n'], random)
}
function pick<T>(values: readonly T[], random: Random): T {
  return values[random(values.length)]!
}
