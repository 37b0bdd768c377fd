import { type Static, Type } from '@sinclair/typebox'
import { OrNull } from './or-null.ts'

export const OUTCOMES = ['complete', 'unchanged', 'partial', 'suspicious', 'failed', 'aborted'] as const
export type Outcome = (typeof OUTCOMES)[number]

export const RUN_KINDS = ['fetch', 'reparse', 'redrive', 'confirm'] as const
export type RunKind = (typeof RUN_KINDS)[number]

const KIND =
  '`fetch`: read the feed. `reparse`: read a kept snapshot again. `redrive`: tried rejects again. `confirm`: an operator ' +
  'confirmed what a suspicious run lacked'

/** Why a run did not end well: the closed list. `docs/providers.md` says what each means and what to do. */
export const REASONS = [
  'dns',
  'connect',
  'tls',
  'timeout',
  'status',
  'redirect',
  'protocol',
  'address',
  'file',
  'too_large',
  'encoding',
  'malformed',
  'truncated',
  'not_a_feed',
  'doctype',
  'limits',
  'aborted',
  'paused',
  'abandoned',
  'lease_lost',
  'storage',
  'vanished',
  'internal'
] as const
export type Reason = (typeof REASONS)[number]

const OUTCOME =
  '`complete`: the whole snapshot was read and missing events are delisted. `unchanged`: it is the same as last time. ' +
  '`partial`: it broke off; what was read is kept, nothing is delisted. `failed`: nothing could be read. `suspicious`: ' +
  'too much was missing to believe it; what it has is written, nothing is delisted. `aborted`: the service stopped or lost the source to another ' +
  'process. null while it is under way'

const Time = Type.String({ format: 'date-time' })

const RunCountsSchema = Type.Object({
  seen: Type.Integer({ description: 'Records in the feed or the snapshot; of a redrive, rejects' }),
  created: Type.Integer({ description: 'Events that are new' }),
  updated: Type.Integer({ description: 'Events whose content changed' }),
  unchanged: Type.Integer({ description: 'Events that are as they were' }),
  delisted: Type.Integer({ description: 'Events that were taken off, as they are missing' }),
  restored: Type.Integer({ description: 'Delisted ones that came back' }),
  duplicates: Type.Integer({ description: 'Records of events that stood in the feed before; the last one counts' }),
  rejected: Type.Integer({ description: 'Records that cannot become events; of a redrive, rejects that stay' }),
  bytes: Type.Integer({ description: 'Read, uncompressed' }),
  duration: Type.Integer({ description: 'Milliseconds' })
})
export type RunCounts = Static<typeof RunCountsSchema>

export const NO_COUNTS: Readonly<RunCounts> = {
  seen: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  delisted: 0,
  restored: 0,
  duplicates: 0,
  rejected: 0,
  bytes: 0,
  duration: 0
}

/** While it is under way the counts are 0. Times: UTC, milliseconds. */
export const RunSchema = Type.Object(
  {
    id: Type.String(),
    source: Type.String(),
    kind: Type.Unsafe<RunKind>(Type.String({ enum: [...RUN_KINDS], description: KIND })),
    started_at: OrNull(Time, 'null while it waits to be started'),
    finished_at: OrNull(Time, 'null while it is under way'),
    outcome: OrNull(Type.Unsafe<Outcome>(Type.String({ enum: [...OUTCOMES] })), OUTCOME),
    reason: OrNull(
      Type.Unsafe<Reason>(Type.String({ enum: [...REASONS] })),
      'Why it did not succeed: see docs/providers.md'
    ),
    detail: OrNull(Type.String(), 'What happened, for people'),
    counts: RunCountsSchema
  },
  { $id: 'Run', title: 'Run' }
)
export type Run = Static<typeof RunSchema>
