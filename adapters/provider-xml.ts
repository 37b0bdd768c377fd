import { Type } from '@sinclair/typebox'
import type { CutPiece, EventRecord, KnownPieces, SourceItem } from './kit/contract.ts'
import { createPieceCutter, type PieceCutter, type Stretch } from './kit/cut-pieces.ts'
import { defineAdapter } from './kit/define.ts'
import { FeedError } from './kit/errors.ts'
import { openFeed } from './kit/feed.ts'
import { type Attributes, createXmlReader } from './kit/xml-reader.ts'

/**
 * Three dialects of one provider, told apart by root and attributes: `eventList/output/base_event/event` with
 * `event_date` and zone `max_price`; the same with `event_start_date`, `event_end_date` and zone `price`; and
 * `planList/output/base_plan/plan` with `plan_*`. Elements and attributes that are not known are passed over. So are base
 * elements that are the same, word for word, as the last time.
 */
export default defineAdapter({
  options: Type.Object({}),

  async *read(context) {
    const feed = await openFeed(context)
    if (feed === null) return context.unchanged()
    const reader = createProviderReader()
    let cutter: { dialect: Dialect; cut: PieceCutter } | undefined
    for await (const text of feed.text) {
      if (context.pieces === undefined) yield* readAll(reader, text)
      else {
        cutter ??= guessCutter(text)
        if (cutter === undefined) yield* readAll(reader, text)
        else yield* readNew(reader, cutter.cut.cut(text), cutter.dialect, context.pieces)
      }
    }
    if (cutter !== undefined) yield* readAll(reader, cutter.cut.rest())
    reader.end()
    context.complete(feed.state())
  },

  wrap({ path, raw }) {
    const root = path.split('/')[1]
    return `<${root}><output>${raw}</output></${root}>`
  }
})

interface Dialect {
  base: string
  event: string
}
const DIALECTS: Record<string, Dialect> = {
  eventList: { base: 'base_event', event: 'event' },
  planList: { base: 'base_plan', event: 'plan' }
}

type ProviderReader = ReturnType<typeof createProviderReader>

function* readAll(reader: ProviderReader, text: string): Generator<SourceItem> {
  try {
    reader.write(text)
  } finally {
    // Also what stands before a fault, before the fault is thrown.
    yield* reader.items.splice(0)
  }
}

/** Reads what is not known word for word. */
async function* readNew(
  reader: ProviderReader,
  stretches: Stretch[],
  dialect: Dialect,
  pieces: KnownPieces
): AsyncGenerator<SourceItem> {
  const cut = stretches.filter(({ isPiece }) => isPiece).map(({ text }) => guessEvents(text, dialect))
  const found = cut.length === 0 ? [] : await pieces.find(cut)
  let next = 0
  for (const { text, isPiece } of stretches) {
    const piece = isPiece ? found[next++] : undefined
    const bases = reader.basesBefore()
    // What looks like an element in a comment, say, is none.
    if (piece?.numbers != null && bases !== undefined) {
      reader.pass(text)
      pieces.pass(piece)
      continue
    }
    try {
      reader.write(text)
    } finally {
      const items = reader.items.splice(0)
      const isWhole = piece !== undefined && bases !== undefined && reader.basesBefore() === bases + 1
      if (isWhole && items.length === cut[next - 1]!.events.length) for (const item of items) item.piece = piece.digest
      yield* items
    }
  }
}

/** A dialect's name in a document is only a guess until its root is read. */
function guessCutter(text: string): { dialect: Dialect; cut: PieceCutter } | undefined {
  const dialect = Object.values(DIALECTS).find(({ base }) => text.includes(`<${base} `))
  return dialect && { dialect, cut: createPieceCutter(dialect.base) }
}

const ID = ({ base, event }: Dialect) => ({
  base: new RegExp(`\\s${base}_id="([^"&<]*)"`),
  event: new RegExp(`\\s${event}_id="([^"&<]*)"`, 'g')
})
const IDS = new Map(Object.values(DIALECTS).map((dialect) => [dialect, ID(dialect)]))

function guessEvents(text: string, dialect: Dialect): CutPiece {
  const { base, event } = IDS.get(dialect)!
  const base_event_id = base.exec(text)?.[1] ?? ''
  const events: CutPiece['events'] = []
  for (const [, event_id] of text.matchAll(event)) events.push({ base_event_id, event_id: event_id! })
  return { text, events }
}

/** Collects in `items` what each `write` brought. Independent of where the text is cut. */
export function createProviderReader() {
  const items: SourceItem[] = []
  let dialect: Dialect
  let root = ''
  let inOutput = false
  let hasOutput = false
  let base: Attributes | undefined
  let bases = 0
  let events = 0
  let record: EventRecord | undefined

  const reader = createXmlReader({
    roots: Object.keys(DIALECTS),
    open(name, attributes, depth) {
      if (depth === 1) {
        root = name
        dialect = DIALECTS[name]!
      } else if (depth === 2) {
        inOutput = name === 'output'
        hasOutput ||= inOutput
      } else if (depth === 3 && inOutput && name === dialect.base) {
        base = attributes
        bases++
        events = 0
      } else if (depth === 4 && base !== undefined && name === dialect.event) {
        reader.markRaw()
        events++
        record = toRecord(dialect, base, attributes)
      } else if (depth === 5 && record !== undefined && name === 'zone') {
        record.zones.push({
          zone_id: attributes.zone_id,
          name: attributes.name,
          capacity: attributes.capacity,
          price: attributes.price ?? attributes.max_price,
          numbered: attributes.numbered
        })
      }
    },
    close(_name, depth) {
      if (depth === 3) base = undefined
      if (depth !== 4 || record === undefined) return
      items.push({ record, where: locate(root, dialect, base!, reader.takeRaw(), bases, events) })
      record = undefined
    }
  })
  return {
    items,
    write: reader.write,
    /** How many base elements came before, where another one can begin; elsewhere undefined. */
    basesBefore: () => (reader.openElements() === 2 && inOutput ? bases : undefined),
    /** Goes on after a base element that is known, without reading it. */
    pass(text: string) {
      bases++
      reader.pass(text)
    },
    end() {
      reader.end()
      if (!hasOutput) throw new FeedError('not_a_feed', `this is not a feed: there is no <output> in <${root}>`)
    }
  }
}
/** What an event means depends on the element around it, so that stands in the raw text too. */
function locate(
  root: string,
  { base, event }: Dialect,
  attributes: Attributes,
  raw: string,
  bases: number,
  events: number
) {
  return () => {
    const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${escapeXml(value!)}"`)
    return {
      path: `/${root}/output/${base}[${bases}]/${event}[${events}]`,
      raw: `<${base}${written.join('')}>${raw}</${base}>`
    }
  }
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function toRecord({ base: baseName, event }: Dialect, base: Attributes, attributes: Attributes): EventRecord {
  return {
    base_event_id: base[`${baseName}_id`],
    event_id: attributes[`${event}_id`],
    title: base.title,
    sell_mode: base.sell_mode,
    organizer_company_id: base.organizer_company_id,
    start_date: attributes[`${event}_start_date`] ?? attributes[`${event}_date`],
    end_date: attributes[`${event}_end_date`],
    sell_from: attributes.sell_from,
    sell_to: attributes.sell_to,
    sold_out: attributes.sold_out,
    zones: []
  }
}
