/** Attributes of an `<event>`, in the provider's second dialect. */
export type EventAttributes = Record<string, string>

/** A base event with one event and one zone, all of the same number. `changes` replace or add attributes of `<event>`. */
export function writeEvent(id: number | string, changes: EventAttributes = {}, title = `Event ${id}`): string {
  const attributes = {
    event_start_date: '2035-05-01T20:00:00',
    event_end_date: '2035-05-01T22:00:00',
    event_id: String(id),
    sell_from: '2025-01-01T00:00:00',
    sell_to: '2035-05-01T19:00:00',
    sold_out: 'false',
    ...changes
  }
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`)
  return `      <base_event base_event_id="${id}" sell_mode="online" title="${title}">
         <event${written.join('')}>
            <zone zone_id="1" capacity="10" price="20.50" name="A" numbered="true" />
         </event>
      </base_event>
`
}

export const FEED_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<eventList version="1.0">\n   <output>\n'
export const FEED_TAIL = '   </output>\n</eventList>\n'

/** A whole feed: of so many events, numbered from 1, or of these. */
export function writeFeed(events: number | string[]): string {
  const written = typeof events === 'number' ? Array.from({ length: events }, (_, i) => writeEvent(i + 1)) : events
  return `${FEED_HEAD}${written.join('')}${FEED_TAIL}`
}

/** `count` events that change with `version`: in each one is new, one has gone, and one has another date. */
export function writeVersion(version: number, count = 40): string {
  const first = version + 1
  return writeFeed(
    Array.from({ length: count }, (_, i) => {
      const changes = i === 1 ? { event_end_date: `2035-05-01T22:00:${String(version % 60).padStart(2, '0')}` } : {}
      return writeEvent(first + i, changes)
    })
  )
}
