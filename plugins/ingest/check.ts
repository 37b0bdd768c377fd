import { hash } from 'node:crypto'
import type { EventRecord } from '../../adapters/kit/contract.ts'
import { toInstant } from '../../adapters/kit/dates.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import { toUuid5 } from '../kit/uuid.ts'
import { explainUnsound, isId, isSound, type SoundRecord } from './record.ts'

export type Checked = { event: EventContent; reason?: never } | { event?: never; reason: string }

/**
 * Turns what a feed says into an event, strictly: a value that is not plainly what it must be refuses the record. An
 * adapter is not believed to keep to its types.
 * @param settings name and time zone of the source
 */
export function checkRecord(record: EventRecord, settings: { name: string; timezone: string }): Checked {
  if (isSound(record)) return toEvent(record, settings)
  // To some formats null is what is left out to others.
  const given = withoutNulls(record)
  return isSound(given) ? toEvent(given, settings) : { reason: explainUnsound(given) }
}

/** Room for the namespace, and for a name of the longest ids after it. */
const scratch = Buffer.alloc(16 + 4096)
scratch.write('5f3c1d5e8c1b4b0e9a6d2f7c4e8b1a90', 'hex')

/**
 * UUIDv5 of the identity, in a namespace of this service.
 * @returns null where the record does not say who it is
 */
export function eventId(
  source: string,
  { base_event_id, event_id }: Pick<EventRecord, 'base_event_id' | 'event_id'>
): string | null {
  if (!isId(base_event_id) || !isId(event_id)) return null
  const length = scratch.write(JSON.stringify([source, base_event_id, event_id]), 16)
  return toUuid5(hash('sha1', scratch.subarray(0, 16 + length), 'hex'))
}

function toEvent(record: SoundRecord, { name: source, timezone }: { name: string; timezone: string }): Checked {
  const { start_date, end_date = null, base_event_id, event_id } = record
  if (end_date !== null && end_date < start_date) {
    return { reason: `end_date ${end_date} is before start_date ${start_date}` }
  }
  const starts_at = toInstant(start_date, timezone)
  const ends_at = end_date === null ? null : toInstant(end_date, timezone)
  if (starts_at === null || (ends_at === null && end_date !== null)) {
    const [field, value] = starts_at === null ? ['start_date', start_date] : ['end_date', end_date]
    return { reason: `${field} "${value}" is not between the years 1 and 9999` }
  }
  const zones = record.zones.map(({ zone_id, name, capacity, price, numbered }) => ({
    zone_id,
    name,
    capacity: Number(capacity),
    price: Number(price),
    numbered: numbered === 'true'
  }))
  let [min, max] = [zones[0]?.price ?? null, zones[0]?.price ?? null]
  for (const { price } of zones) {
    if (price < min!) min = price
    if (price > max!) max = price
  }
  // In the order of the schema, in which storages keep them.
  const event: EventContent = {
    id: eventId(source, record)!,
    source,
    base_event_id,
    event_id,
    title: record.title,
    sell_mode: record.sell_mode as EventContent['sell_mode'],
    organizer_company_id: record.organizer_company_id ?? null,
    start_date,
    end_date,
    timezone,
    starts_at,
    ends_at,
    sell_from: record.sell_from ?? null,
    sell_to: record.sell_to ?? null,
    sold_out: record.sold_out === 'true',
    min_price: min,
    max_price: max,
    zones
  }
  return { event }
}

function withoutNulls(record: EventRecord): unknown {
  if (typeof record !== 'object' || record === null) return record
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null))
}
