import { Type } from '@sinclair/typebox'
import type { EventRecord, SourceItem } from './kit/contract.ts'
import { defineAdapter } from './kit/define.ts'
import { FeedError } from './kit/errors.ts'
import { openFeed } from './kit/feed.ts'
import { type Attributes, createXmlReader } from './kit/xml-reader.ts'

/**
 * Three dialects of one provider, told apart by root and attributes: `eventList/output/base_event/event` with
 * `event_date` and zone `max_price`; the same with `event_start_date`, `event_end_date` and zone `price`; and
 * `planList/output/base_plan/plan` with `plan_*`. Elements and attributes that are not known are passed over.
 */
export default defineAdapter({
  options: Type.Object({}),

  async *read(context) {
    const feed = await openFeed(context)
    if (feed === null) return context.unchanged()
    const { write, end, items } = createProviderReader()
    for await (const text of feed.text) {
      try {
        write(text)
      } finally {
        // Also what stands before a fault, before the fault is thrown.
        for (const item of items.splice(0)) yield item
      }
    }
    end()
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
