import { type Static, Type } from '@sinclair/typebox'
import { OrNull } from './or-null.ts'

const Time = Type.String({ format: 'date-time' })

export const RejectSchema = Type.Object(
  {
    id: Type.String(),
    source: Type.String(),
    run_id: Type.String({ description: 'The run that saw it last' }),
    reason: Type.String({ description: 'Why it cannot become an event' }),
    path: Type.String({ description: 'Where in the feed it stood: /eventList/output/base_event[3]/event[1]' }),
    raw: Type.String({ description: 'As the feed had it, its first 65 536 characters' }),
    event_id: OrNull(Type.String(), 'The event that it would have been; null where its identity cannot be read'),
    first_seen_at: Time,
    last_seen_at: Time,
    count: Type.Integer({ description: 'Runs that saw it' })
  },
  { $id: 'Reject', title: 'Reject' }
)
export type Reject = Static<typeof RejectSchema>
