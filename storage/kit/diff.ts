import { type Static, Type } from '@sinclair/typebox'
import { type Event, type EventContent, EventContentSchema } from './event.ts'

export const FieldChangeSchema = Type.Object({
  field: Type.String({ description: 'A field of the event', examples: ['sold_out'] }),
  old: Type.Unknown({
    description: 'Of `zones`, those alone that are not among the new ones; where only their order changed, all'
  }),
  new: Type.Unknown({ description: 'The same, the other way round' })
})
export type FieldChange = Static<typeof FieldChangeSchema>

const CONTENT = Object.keys(EventContentSchema.properties) as (keyof EventContent)[]

/** Field by field, in the order of the schema. */
export function diffContent(before: EventContent, after: EventContent): FieldChange[] {
  return diff(before, after, CONTENT)
}

/** The same, with the status at the end. */
export function diffEvents(before: Event, after: Event): FieldChange[] {
  return diff(before, after, [...CONTENT, 'status'])
}

function diff<T extends EventContent>(before: T, after: T, fields: (keyof T & string)[]): FieldChange[] {
  return fields
    .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
    .map((field) =>
      field === 'zones'
        ? { field, ...diffZones(before.zones, after.zones) }
        : { field, old: before[field], new: after[field] }
    )
}

type Zones = EventContent['zones']

function diffZones(before: Zones, after: Zones): { old: Zones; new: Zones } {
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
