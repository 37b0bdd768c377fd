import { toInstant } from '../../../adapters/kit/dates.ts'
import type { Event } from '../../../storage/kit/event.ts'
import type { Availability, Bound, EventFilters, ZoneFilter } from '../../../storage/kit/filters.ts'
import { fold, toWords } from '../../../storage/kit/words.ts'

/** Whether an event is what the filters ask for: the words of `EventFilters`, one by one, and nothing clever. */
export function matches(event: Event, filters: EventFilters): boolean {
  return (
    liesBetween(event, filters) &&
    (filters.everOnline === undefined || event.ever_online) &&
    (filters.sellMode === undefined || event.sell_mode === filters.sellMode) &&
    isOneOf(event.source, filters.sources) &&
    isOneOf(event.base_event_id, filters.baseEvents) &&
    isOneOf(event.organizer_company_id, filters.organizers) &&
    isOneOf(event.status, filters.statuses) &&
    (filters.words === undefined || hasWords(event.title, filters.words)) &&
    (filters.soldOut === undefined || event.sold_out === filters.soldOut) &&
    (filters.updatedSince === undefined || Date.parse(event.updated_at) >= Date.parse(filters.updatedSince)) &&
    (filters.zone === undefined || event.zones.some((zone) => isZone(zone, filters.zone!))) &&
    (filters.available === undefined || isAvailable(event, filters.available) === filters.available.is)
  )
}

function liesBetween(event: Event, { match, from, to }: EventFilters): boolean {
  const [first, last] = match === 'within' ? (['start', 'end'] as const) : (['start', 'start'] as const)
  return (
    (from === undefined || timeOf(event, match === 'overlaps' ? 'end' : first, from) >= from.at) &&
    (to === undefined || timeOf(event, last, to) <= to.at)
  )
}

/** Text of one form and with the year in four digits sorts as time. */
function timeOf(event: Event, side: 'start' | 'end', { clock }: Bound): string {
  const [start, end] = clock === 'local' ? [event.start_date, event.end_date] : [event.starts_at, event.ends_at]
  return side === 'end' && end !== null ? end : start
}

function isOneOf<T>(value: T | null, values: T[] | undefined): boolean {
  return values === undefined || values.some((one) => one === value)
}

function hasWords(title: string, words: string[]): boolean {
  const there = toWords(title)
  return words.every((word, i) =>
    i === words.length - 1 ? there.some((one) => one.startsWith(word)) : there.includes(word)
  )
}

function isZone({ price, capacity, numbered, name }: Event['zones'][number], filter: ZoneFilter): boolean {
  return (
    (filter.minPrice === undefined || price >= filter.minPrice) &&
    (filter.maxPrice === undefined || price <= filter.maxPrice) &&
    (filter.minCapacity === undefined || capacity >= filter.minCapacity) &&
    (filter.numbered === undefined || numbered === filter.numbered) &&
    (filter.name === undefined || fold(name).includes(filter.name))
  )
}

function isAvailable(event: Event, { at }: Availability): boolean {
  const [from, to] = [event.sell_from, event.sell_to].map((time) => time && toInstant(time, event.timezone))
  return (
    !event.sold_out && event.zones.some(({ capacity }) => capacity > 0) && (!from || from <= at) && (!to || to >= at)
  )
}
