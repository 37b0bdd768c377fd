import type { RejectContent } from '../../../storage/kit/contract.ts'
import { type EventContent, EventContentSchema } from '../../../storage/kit/event.ts'
import { type Changed, type Created, type FieldChange, MOST_SHOWN, type Rejected, type Summary } from './result.ts'

const FIELDS = Object.keys(EventContentSchema.properties) as (keyof EventContent)[]

export const showCreated = (event: EventContent): Created => shorten(event)

export const showGone = (event: EventContent): Summary => {
  const { is_cut: _is_cut, ...summary } = shorten(summarize(event))
  return summary
}

export const showChanged = (before: EventContent, after: EventContent): Changed =>
  shorten({ ...summarize(after), fields: compare(before, after) })

export const showRejected = ({ reason, path, raw, event_id }: RejectContent): Rejected =>
  shorten({ reason, path, raw, event_id })

function summarize({ id, base_event_id, event_id, title, start_date }: EventContent): Summary {
  return { id, base_event_id, event_id, title, start_date }
}

/** Field by field, in the order of the schema. */
function compare(before: EventContent, after: EventContent): FieldChange[] {
  return FIELDS.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field])).map((field) =>
    field === 'zones'
      ? { field, ...compareZones(before.zones, after.zones) }
      : { field, old: before[field], new: after[field] }
  )
}

type Zones = EventContent['zones']

function compareZones(before: Zones, after: Zones): { old: Zones; new: Zones } {
  const [gone, come] = [without(before, after), without(after, before)]
  return gone.length + come.length === 0 ? { old: before, new: after } : { old: gone, new: come }
}

/** Of two zones that are the same each takes one away. */
function without(zones: Zones, others: Zones): Zones {
  const left = new Map<string, number>()
  for (const zone of others) left.set(JSON.stringify(zone), (left.get(JSON.stringify(zone)) ?? 0) + 1)
  return zones.filter((zone) => {
    const key = JSON.stringify(zone)
    const times = left.get(key) ?? 0
    left.set(key, times - 1)
    return times <= 0
  })
}

/** Cuts long texts and lists in it, wherever they stand. */
function shorten<T extends object>(item: T): T & { is_cut: boolean } {
  let is_cut = false
  const cut = (value: unknown): unknown => {
    if (typeof value === 'string' && value.length > MOST_SHOWN.characters) {
      is_cut = true
      // Not half a character.
      return `${value.slice(0, MOST_SHOWN.characters).replace(/[\uD800-\uDBFF]$/, '')}…`
    }
    if (Array.isArray(value)) {
      if (value.length > MOST_SHOWN.zones) is_cut = true
      return value.slice(0, MOST_SHOWN.zones).map(cut)
    }
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, cut(one)]))
  }
  return { ...(cut(item) as T), is_cut }
}
