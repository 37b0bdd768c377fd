import { type Static, Type } from '@sinclair/typebox'
import type { EventVersion } from '../../storage/kit/contract.ts'
import { diffEvents, FieldChangeSchema } from '../../storage/kit/diff.ts'
import { EventSchema } from '../../storage/kit/event.ts'
import { OrNull } from '../../storage/kit/or-null.ts'

const KINDS = ['created', 'updated', 'delisted', 'restored'] as const

const Change = {
  kind: Type.Unsafe<(typeof KINDS)[number]>(
    Type.String({
      enum: [...KINDS],
      description:
        '`delisted`: it is no longer in the snapshot of its source. `restored`: it is again, and may have changed, too. ' +
        '`updated` without `fields`: what it was before is not kept any more'
    })
  ),
  at: Type.String({ format: 'date-time', description: "By the storage's clock; `updated_at` of the event" }),
  run_id: OrNull(Type.String(), 'The run that did it; null: it was before histories were kept'),
  fields: Type.Array(FieldChangeSchema, { description: 'What changed, field by field, `status` included' })
}

/** One event's. */
export const HistoryEntrySchema = Type.Object(Change, { $id: 'HistoryEntry', title: 'HistoryEntry' })

/** Of all events. */
export const ChangeSchema = Type.Object(
  {
    event_id: Type.String({ format: 'uuid', description: '`id` of the event' }),
    ...Change,
    event: Type.Unsafe<Static<typeof EventSchema>>(Type.Ref(EventSchema.$id!, { description: 'As it was then' }))
  },
  { $id: 'Change', title: 'Change' }
)

export function toHistoryEntry({ at, run_id, event, before }: EventVersion): Static<typeof HistoryEntrySchema> {
  return { kind: kindOf(event, before), at, run_id, fields: before === null ? [] : diffEvents(before, event) }
}

export function toChange(version: EventVersion): Static<typeof ChangeSchema> {
  const { event } = version
  return { event_id: event.id, ...toHistoryEntry(version), event }
}

function kindOf(event: EventVersion['event'], before: EventVersion['before']): (typeof KINDS)[number] {
  if (before === null) return event.first_seen_at === event.updated_at ? 'created' : 'updated'
  if (before.status === event.status) return 'updated'
  return event.status === 'listed' ? 'restored' : 'delisted'
}
