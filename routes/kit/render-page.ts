import type { Body } from '../../plugins/pages/body.ts'
import type { EventPage } from '../../storage/kit/contract.ts'
import { renderInTurns } from './in-turns.ts'

/**
 * The storage's own JSON goes out as it is: parsing it only to write it again would be most of the work.
 * @param page JSON of `page`
 */
export function renderPage(json: EventPage['json'], page: string): Body {
  const head = '{"data":['
  const tail = `],"page":${page}`
  return typeof json === 'string' ? head + json + tail : [head, json, tail]
}

/** A whole answer of what has no `meta`. @param items JSON of each */
export function renderList(items: string[], page: object): string {
  return `{"data":[${items.join(',')}],"page":${JSON.stringify(page)}}`
}

/** An event's JSON starts with its id, and inside a JSON string every quote is escaped, so this stands nowhere else. */
const BETWEEN_EVENTS = /,(?=\{"id":")/

/** The same events with these fields alone, in the order of `Event`. */
export async function pickFields(json: EventPage['json'], fields: string[]): Promise<string> {
  const events = String(json)
  if (events === '') return ''
  const picked = await renderInTurns(events.split(BETWEEN_EVENTS), (text) => {
    // As a list of names it would also pick from what is inside a zone.
    const event = JSON.parse(text) as Record<string, unknown>
    return JSON.stringify(Object.fromEntries(Object.entries(event).filter(([name]) => fields.includes(name))))
  })
  return picked.join(',')
}
