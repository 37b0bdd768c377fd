import { type TSchema, Type } from '@sinclair/typebox'
import { OUTCOMES, REASONS } from '../../storage/kit/contract.ts'

const OrNull = <T extends TSchema>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description })
const Time = Type.String({ format: 'date-time' })

export const RunSchema = Type.Object(
  {
    id: Type.String(),
    source: Type.String(),
    started_at: Time,
    finished_at: OrNull(Time, 'null while it is under way'),
    outcome: OrNull(
      Type.Unsafe<(typeof OUTCOMES)[number]>(Type.String({ enum: OUTCOMES })),
      'null while it is under way'
    ),
    reason: OrNull(Type.Unsafe<(typeof REASONS)[number]>(Type.String({ enum: REASONS })), 'Why it did not succeed'),
    detail: OrNull(Type.String(), 'What happened, for people'),
    counts: Type.Object({
      seen: Type.Integer({ description: 'Records in the feed' }),
      created: Type.Integer(),
      updated: Type.Integer(),
      unchanged: Type.Integer(),
      delisted: Type.Integer(),
      restored: Type.Integer({ description: 'Delisted ones that came back' }),
      rejected: Type.Integer(),
      bytes: Type.Integer({ description: 'Read, uncompressed' }),
      duration: Type.Integer({ description: 'Milliseconds' })
    })
  },
  { $id: 'Run', title: 'Run' }
)

export const RejectSchema = Type.Object(
  {
    id: Type.String(),
    source: Type.String(),
    run_id: Type.String({ description: 'The run that saw it last' }),
    reason: Type.String({ description: 'Why it cannot become an event' }),
    path: Type.String({ description: 'Where in the feed it stood' }),
    raw: Type.String({ description: 'As the feed had it' }),
    event_id: OrNull(Type.String(), 'The event that it would have been; null where its identity cannot be read'),
    first_seen_at: Time,
    last_seen_at: Time,
    count: Type.Integer({ description: 'Runs that saw it' })
  },
  { $id: 'Reject', title: 'Reject' }
)

export const SourceSchema = Type.Object(
  {
    name: Type.String(),
    adapter: Type.String(),
    cron: Type.String(),
    cron_timezone: Type.String(),
    timezone: Type.String({ description: "Of the feed's dates" }),
    enabled: Type.Boolean(),
    last_success_at: OrNull(Time),
    stale: Type.Boolean({ description: 'Whether a run that was due since has not succeeded' }),
    last_run: OrNull(Type.Ref(RunSchema.$id!))
  },
  { $id: 'Source', title: 'Source' }
)
