import { hash } from 'node:crypto'
import type { EventRecord, ZoneRecord } from '../../adapters/kit/contract.ts'
import { isLocalDateTime, toInstant } from '../../adapters/kit/dates.ts'
import type { EventContent } from '../../storage/kit/event.ts'

export type Checked = { event: EventContent } | { reason: string }

/** Why a record cannot become an event. */
class Refusal extends Error {}

const ID_LENGTH = 200
const TEXT_LENGTH = 10_000
// As references (&#1;, &#xD800;) they can come through any parser.
const UNCLEAN = /[\u0000-\u001F\u007F\p{Cs}\uFFFE\uFFFF]/u

/**
 * Turns what a feed says into an event, strictly: a value that is not plainly what it must be refuses the record. An
 * adapter is not believed to keep to its types.
 * @param settings name and time zone of the source
 */
export function checkRecord(record: EventRecord, { name, timezone }: { name: string; timezone: string }): Checked {
  try {
    return { event: toEvent(record, name, timezone) }
  } catch (error) {
    if (error instanceof Refusal) return { reason: error.message }
    throw error
  }
}

const NAMESPACE = Buffer.from('5f3c1d5e8c1b4b0e9a6d2f7c4e8b1a90', 'hex')

/**
 * UUIDv5 of the identity, in a namespace of this service.
 * @returns null where the record does not say who it is
 */
export function eventId(source: string, { base_event_id, event_id }: EventRecord): string | null {
  if (!isId(base_event_id) || !isId(event_id)) return null
  const name = Buffer.from(JSON.stringify([source, base_event_id, event_id]))
  const hex = hash('sha1', Buffer.concat([NAMESPACE, name]), 'hex')
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

function toEvent(record: EventRecord, source: string, timezone: string): EventContent {
  const id = eventId(source, record)
  if (id === null) {
    throw new Refusal(
      isId(record.base_event_id) ? refuse('event_id', record.event_id) : refuse('base_event_id', record.base_event_id)
    )
  }
  const start = localDateTime('start_date', record.start_date)
  const end = optional('end_date', record.end_date, localDateTime)
  if (end !== null && end < start) throw new Refusal(`end_date ${end} is before start_date ${start}`)
  if (!Array.isArray(record.zones)) throw new Refusal('zones are missing')
  const zones = record.zones.map(toZone)
  const prices = zones.map((zone) => zone.price)
  return {
    id,
    source,
    base_event_id: record.base_event_id!,
    event_id: record.event_id!,
    title: text('title', record.title),
    sell_mode: oneOf('sell_mode', record.sell_mode, ['online', 'offline']),
    organizer_company_id: optional('organizer_company_id', record.organizer_company_id, text),
    start_date: start,
    end_date: end,
    timezone,
    starts_at: instant('start_date', start, timezone),
    ends_at: end === null ? null : instant('end_date', end, timezone),
    sell_from: optional('sell_from', record.sell_from, localDateTime),
    sell_to: optional('sell_to', record.sell_to, localDateTime),
    sold_out: boolean('sold_out', record.sold_out),
    min_price: zones.length === 0 ? null : prices.reduce((a, b) => Math.min(a, b)),
    max_price: zones.length === 0 ? null : prices.reduce((a, b) => Math.max(a, b)),
    zones
  }
}

function toZone(zone: ZoneRecord, index: number): EventContent['zones'][number] {
  const at = `zone[${index + 1}]/`
  return {
    zone_id: text(`${at}zone_id`, zone.zone_id),
    name: text(`${at}name`, zone.name, true),
    capacity: number(`${at}capacity`, zone.capacity, /^\d{1,9}$/, 'a whole number'),
    price: number(`${at}price`, zone.price, /^\d{1,9}(\.\d{1,9})?$/, 'a price'),
    numbered: boolean(`${at}numbered`, zone.numbered)
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= ID_LENGTH && !UNCLEAN.test(value)
}

function refuse(field: string, value: unknown, expected = 'usable'): string {
  if (value === undefined || value === null) return `${field} is missing`
  if (typeof value !== 'string') return `${field} is a ${typeof value}, not text`
  return `${field} ${JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)} is not ${expected}`
}

function optional<T>(field: string, value: string | undefined, check: (field: string, value: string) => T): T | null {
  return value === undefined || value === null ? null : check(field, value)
}

function text(field: string, value: string | undefined, mayBeEmpty = false): string {
  if (typeof value !== 'string' || (value === '' && !mayBeEmpty)) throw new Refusal(refuse(field, value, 'text'))
  if (value.length > TEXT_LENGTH) throw new Refusal(`${field} is longer than ${TEXT_LENGTH} characters`)
  if (UNCLEAN.test(value)) throw new Refusal(`${field} has control characters or half characters in it`)
  return value
}

function oneOf<T extends string>(field: string, value: string | undefined, allowed: T[]): T {
  const found = allowed.find((one) => one === value)
  if (found === undefined) throw new Refusal(refuse(field, value, allowed.join(' or ')))
  return found
}

function boolean(field: string, value: string | undefined): boolean {
  return oneOf(field, value, ['true', 'false']) === 'true'
}

function number(field: string, value: string | undefined, pattern: RegExp, expected: string): number {
  if (typeof value !== 'string' || !pattern.test(value)) throw new Refusal(refuse(field, value, expected))
  return Number(value)
}

function localDateTime(field: string, value: string | undefined): string {
  if (typeof value !== 'string' || !isLocalDateTime(value)) {
    throw new Refusal(refuse(field, value, 'a date of the calendar, YYYY-MM-DDTHH:MM:SS'))
  }
  return value
}

function instant(field: string, local: string, timezone: string): string {
  const at = toInstant(local, timezone)
  if (at === null) throw new Refusal(refuse(field, local, 'between the years 1 and 9999'))
  return at
}
