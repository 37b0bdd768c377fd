import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { CommandSchema } from '../../../storage/kit/command.ts'
import { EventContentSchema } from '../../../storage/kit/event.ts'
import { OrNull } from '../../../storage/kit/or-null.ts'
import { RejectSchema } from '../../../storage/kit/reject.ts'
import { NO_COUNTS, RunSchema } from '../../../storage/kit/run.ts'

/** Of each kind of change so many are shown at most, and so many bytes of JSON: what is asked of a storage to keep stays below 1 MB. */
export const MOST = { items: 200, bytes: 150_000 }
/** Of what is shown, so many characters of a text, and so many zones. */
export const MOST_SHOWN = { characters: 300, zones: 20 }

const List = <T extends TSchema>(item: T, description: string) =>
  Type.Object(
    {
      total: Type.Integer({ description: 'How many there are; always exact' }),
      has_more: Type.Boolean({
        description: `Whether \`items\` are only some of them: it has ${MOST.items} at most, fewer where they are long`
      }),
      items: Type.Array(item)
    },
    { description }
  )

const { id, base_event_id, event_id, title, start_date } = EventContentSchema.properties
const SummarySchema = Type.Object({ id, base_event_id, event_id, title, start_date })
export type Summary = Static<typeof SummarySchema>

const FieldSchema = Type.Object({
  field: Type.String({ description: 'A field of the event', examples: ['sold_out'] }),
  old: Type.Unknown({
    description: 'Of `zones`, those alone that are not among the new ones; where only their order changed, all'
  }),
  new: Type.Unknown({ description: 'The same, the other way round' })
})
export type FieldChange = Static<typeof FieldSchema>

const is_cut = Type.Boolean({
  description:
    `Whether something of it is too long to be shown whole: texts end with … after ${MOST_SHOWN.characters} characters, ` +
    `lists of zones after ${MOST_SHOWN.zones}`
})
const CreatedSchema = Type.Object({ ...EventContentSchema.properties, is_cut })
export type Created = Static<typeof CreatedSchema>
const ChangedSchema = Type.Object({ ...SummarySchema.properties, fields: Type.Array(FieldSchema), is_cut })
export type Changed = Static<typeof ChangedSchema>

const { reason, path, raw, event_id: rejected_id } = RejectSchema.properties
const RejectedSchema = Type.Object({ reason, path, raw, event_id: rejected_id, is_cut })
export type Rejected = Static<typeof RejectedSchema>

const run = RunSchema.properties

/** What a run would do. */
export const DryRunResultSchema = Type.Object({
  outcome: run.outcome,
  reason: run.reason,
  detail: run.detail,
  counts: run.counts,
  changes: Type.Object(
    {
      created: List(CreatedSchema, 'Events that are new'),
      updated: List(ChangedSchema, 'Events that change'),
      restored: List(ChangedSchema, 'Delisted events that come back, with what else changes about them'),
      delisted: List(SummarySchema, 'Events that are missing and taken off'),
      withheld: List(SummarySchema, 'Events that are missing but stay, since too many are: the run is `suspicious`'),
      rejected: List(RejectedSchema, 'Records that cannot become events')
    },
    { description: 'Each event once, however often the feed has it: `counts` counts records' }
  )
})
export type DryRunResult = Static<typeof DryRunResultSchema> & { outcome: NonNullable<Static<typeof run.outcome>> }

const nobody = { total: 0, has_more: false, items: [] }
const EXAMPLE = {
  id: '01a20e6d-2f17-7565-bc8f-68429b9459cf',
  source: 'demo',
  kind: 'dry_run',
  asked_at: '2026-11-24T16:39:26.231Z',
  finished_at: '2026-11-24T16:39:26.677Z',
  outcome: 'complete',
  detail: null,
  result: {
    outcome: 'complete',
    reason: null,
    detail: null,
    counts: { ...NO_COUNTS, seen: 3, updated: 1, unchanged: 2, bytes: 1746, duration: 93 },
    changes: {
      created: nobody,
      updated: {
        total: 1,
        has_more: false,
        items: [
          {
            id: '8ba670b2-0fd7-590b-b7a8-b0a57040e63b',
            base_event_id: '1591',
            event_id: '1642',
            title: 'Los Morancos en directo',
            start_date: '2021-07-31T20:00:00',
            fields: [
              { field: 'title', old: 'Los Morancos', new: 'Los Morancos en directo' },
              { field: 'sold_out', old: false, new: true }
            ],
            is_cut: false
          }
        ]
      },
      restored: nobody,
      delisted: nobody,
      withheld: nobody,
      rejected: nobody
    }
  }
}

/** A command as it is answered alone. */
export const CommandResultSchema = Type.Object(
  {
    ...CommandSchema.properties,
    result: OrNull(
      DryRunResultSchema,
      'Of a `dry_run` that is done: what a run would do; of each source the last ones keep it'
    )
  },
  { $id: 'CommandResult', title: 'Command with its result', examples: [EXAMPLE] }
)
