import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { CommandSchema } from '../../../storage/kit/command.ts'
import { FieldChangeSchema } from '../../../storage/kit/diff.ts'
import { EventContentSchema } from '../../../storage/kit/event.ts'
import { OrNull } from '../../../storage/kit/or-null.ts'
import { RejectSchema } from '../../../storage/kit/reject.ts'
import { RunSchema } from '../../../storage/kit/run.ts'

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

const is_cut = Type.Boolean({
  description:
    `Whether something of it is too long to be shown whole: texts end with … after ${MOST_SHOWN.characters} characters, ` +
    `lists of zones after ${MOST_SHOWN.zones}`
})
const CreatedSchema = Type.Object({ ...EventContentSchema.properties, is_cut })
export type Created = Static<typeof CreatedSchema>
const ChangedSchema = Type.Object({ ...SummarySchema.properties, fields: Type.Array(FieldChangeSchema), is_cut })
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

/** A command as it is answered alone. */
export const CommandResultSchema = Type.Object(
  {
    ...CommandSchema.properties,
    result: OrNull(
      DryRunResultSchema,
      'Of a `dry_run` that is done: what a run would do; of each source the last ones keep it'
    )
  },
  { $id: 'CommandResult', title: 'Command with its result' }
)
