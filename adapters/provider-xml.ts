import { Type } from '@sinclair/typebox'
import type { EventRecord, SourceItem } from './kit/contract.ts'
import { createPieceCutter } from './kit/cut-pieces.ts'
import { defineAdapter } from './kit/define.ts'
import { FeedError } from './kit/errors.ts'
import { openFeed } from './kit/feed.ts'
import { type Cut, readNew } from './kit/read-new.ts'
import type { Attributes } from './kit/xml-attributes.ts'
import { XML_LIMITS, type XmlLimits } from './kit/xml-limits.ts'
import { createXmlReader, type XmlHandlers } from './kit/xml-reader.ts'

/**
 * Three dialects of one provider, told apart by root and attributes: `eventList/output/base_event/event` with
 * `event_date` and zone `max_price`; the same with `event_start_date`, `event_end_date` and zone `price`; and
 * `planList/output/base_plan/plan` with `plan_*`. Elements and attributes that are not known are passed over. So are base
 * elements that are the same, word for word, as the last time.
 */
export default defineAdapter({
  options: Type.Object(XML_LIMITS),

  async *read(context) {
    const feed = await openFeed(context)
    if (feed === null) return context.unchanged()
    const reader = createProviderReader(context.options)
    let cut: Cut | undefined
    for await (const text of feed.text) {
      try {
        cut ??= context.pieces && guessCut(text)
        if (cut === undefined) reader.write(text)
        else await readNew(reader, cut, text, context.pieces!)
      } finally {
        // Also what stands before a fault, before the fault is thrown.
        yield reader.items.splice(0)
      }
    }
    try {
      reader.write(cut?.cutter.rest() ?? '')
      reader.end()
    } finally {
      yield reader.items.splice(0)
    }
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

function guessCut(text: string): Cut | undefined {
  const dialect = Object.values(DIALECTS).find(({ base }) => text.includes(`<${base} `))
  if (dialect === undefined) return undefined
  const baseId = new RegExp(`\\s${dialect.base}_id="([^"&<]*)"`)
  const eventIds = new RegExp(`\\s${dialect.event}_id="([^"&<]*)"`, 'g')
  return {
    name: dialect.base,
    cutter: createPieceCutter(dialect.base),
    guessEvents(text) {
      const base_event_id = baseId.exec(text)?.[1] ?? ''
      return Array.from(text.matchAll(eventIds), ([, event_id]) => ({ base_event_id, event_id: event_id! }))
    }
  }
}

/** Collects in `items` what each `write` brought. Independent of where the text is cut. */
export function createProviderReader(limits: XmlLimits) {
  const items: SourceItem[] = []
  let dialect: Dialect
  let root = ''
  let inOutput = false
  let hasOutput = false
  let base: Attributes | undefined
  let bases = 0
  let events = 0
  let record: EventRecord | undefined

  const handlers: XmlHandlers = {
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
  }
  const reader = createXmlReader(handlers, limits)
  return {
    items,
    write: reader.write,
    /** How many base elements came before, where another one of this name can begin; elsewhere undefined. */
    basesBefore: (name: string) =>
      reader.openElements() === 2 && inOutput && name === dialect.base ? bases : undefined,
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
