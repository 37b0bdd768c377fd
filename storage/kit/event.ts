import { type Static, Type } from '@sinclair/typebox'
import { OrNull } from './or-null.ts'

const LocalDateTime = (description: string) =>
  Type.String({
    description,
    pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}$',
    examples: ['2021-06-30T21:00:00']
  })
const Instant = (description: string) =>
  Type.String({ description, format: 'date-time', examples: ['2021-06-30T19:00:00Z'] })

export const ZoneSchema = Type.Object({
  zone_id: Type.String({ description: "The provider's id; it may repeat within one event" }),
  name: Type.String(),
  capacity: Type.Integer({ minimum: 0 }),
  price: Type.Number({ minimum: 0 }),
  numbered: Type.Boolean({ description: 'Whether seats are numbered' })
})

/** What a source says of an event: everything that storages compare to find out whether it changed. */
export const EventContentSchema = Type.Object({
  id: Type.String({ format: 'uuid', description: 'UUIDv5 of source, base_event_id and event_id' }),
  source: Type.String({ description: 'Name of the source that lists it' }),
  base_event_id: Type.String(),
  event_id: Type.String({ description: 'Repeats across base events' }),
  title: Type.String(),
  sell_mode: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
  organizer_company_id: OrNull(Type.String()),
  start_date: LocalDateTime('Wall-clock time in `timezone`, as the provider gave it'),
  end_date: OrNull(LocalDateTime('Wall-clock time in `timezone`; null where the provider gives no end')),
  timezone: Type.String({ description: 'IANA name, from the settings of the source' }),
  starts_at: Instant('`start_date` as an instant in UTC'),
  ends_at: OrNull(Instant('`end_date` as an instant in UTC')),
  sell_from: OrNull(LocalDateTime('Start of the sale, wall-clock time in `timezone`')),
  sell_to: OrNull(LocalDateTime('End of the sale, wall-clock time in `timezone`')),
  sold_out: Type.Boolean(),
  min_price: OrNull(Type.Number({ description: 'Lowest price of its zones; null without zones' })),
  max_price: OrNull(Type.Number({ description: 'Highest price of its zones; null without zones' })),
  zones: Type.Array(ZoneSchema, { description: "All zones in the provider's order" })
})
export type EventContent = Static<typeof EventContentSchema>

/** What the storage adds: the event's life in this service. Times are UTC with milliseconds. */
export const EventSchema = Type.Object(
  {
    ...EventContentSchema.properties,
    status: Type.Union([Type.Literal('listed'), Type.Literal('delisted')], {
      description: "`delisted`: no longer in its source's newest snapshot"
    }),
    first_seen_at: Instant('When this service first stored it'),
    updated_at: Instant('When its content or status last changed'),
    delisted_at: OrNull(Instant('When it was delisted; null while listed')),
    ever_online: Type.Boolean({ description: 'Whether it is or ever was sold online' })
  },
  { $id: 'Event', title: 'Event' }
)
export type Event = Static<typeof EventSchema>

/** Those fields of one that were asked for. */
export const EventFieldsSchema = Type.Partial(EventSchema, {
  $id: 'EventFields',
  title: 'EventFields',
  minProperties: 1
})
