import { type Static, Type } from '@sinclair/typebox'
import { OrNull } from './or-null.ts'
import { OUTCOMES, type Outcome } from './run.ts'

/** What a person can ask for. */
export const COMMAND_KINDS = ['run', 'dry_run', 'pause', 'resume', 'confirm', 'redrive'] as const
export type CommandKind = (typeof COMMAND_KINDS)[number]

/** They are in force when they are asked for: nobody has to do them. */
export const SWITCHES = ['pause', 'resume'] as const satisfies CommandKind[]
export const isSwitch = (kind: CommandKind) => (SWITCHES as readonly CommandKind[]).includes(kind)

/** Of a source, so many commands keep their results, which are long: those that were asked for last. */
export const MOST_RESULTS = 20

export type CommandOutcome = Outcome | 'done'

const KIND =
  '`run`: fetch the source now. `dry_run`: say what that would change. `pause`, `resume`: fetching it at all. `confirm`: ' +
  'believe a suspicious run. `redrive`: try rejects again'
const OUTCOME =
  'Of `pause` and `resume`: `done`. Of the others, the outcome of the run, which has the same `id`. null while it waits ' +
  'or is being done'

const Time = Type.String({ format: 'date-time' })

/** Times: UTC, milliseconds, by the storage's clock. */
export const CommandSchema = Type.Object(
  {
    id: Type.String(),
    source: Type.String(),
    kind: Type.Unsafe<CommandKind>(Type.String({ enum: [...COMMAND_KINDS], description: KIND })),
    asked_at: Time,
    finished_at: OrNull(Time, 'null while it waits or is being done'),
    outcome: OrNull(Type.Unsafe<CommandOutcome>(Type.String({ enum: [...OUTCOMES, 'done'] })), OUTCOME),
    detail: OrNull(Type.String(), 'What happened, for people')
  },
  { $id: 'Command', title: 'Command' }
)

export interface Command extends Static<typeof CommandSchema> {
  /** JSON, of a dry run. */
  result: string | null
}

/** What nobody has done by then is not what anybody waits for: its source may have been taken out of the configuration. */
export const LONGEST_WAIT_MS = 86_400_000
export const WAITED_TOO_LONG = 'nobody did it within a day: is its source still configured, and does anybody ingest?'

export interface CommandEnd {
  outcome: CommandOutcome
  detail: string | null
  /** JSON. */
  result?: string
}
