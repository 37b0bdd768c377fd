import type { Alert } from '../kit/alert.ts'
import type { CommandKind, CommandOutcome } from '../kit/command.ts'
import type { AdapterState, ChangeTotals, Circuit, RunEnd, Snapshot, Suspicion } from '../kit/contract.ts'
import type { EncodedContent, EventLife } from '../kit/encode.ts'
import type { Event } from '../kit/event.ts'
import type { Reject } from '../kit/reject.ts'
import type { Run, RunKind } from '../kit/run.ts'
import { type Searched, toSearched, type ZoneDocument } from './searched.ts'

// What may be left out came with a later version of the schema: documents of the former ones stay as they are.

/** An event as the API shows it, under `_id`, followed by what only the storage needs. */
export interface EventDocument extends Omit<Event, 'id' | 'zones'>, Searched {
  _id: string
  zones: ZoneDocument[]
  /** A number of its own, for `OpenRun.met`. */
  seq: number
  fingerprint: string
  /** See `WriteOptions.pieces`. */
  piece?: string | null
  /** Of the run that fetched the document that its content is from. */
  as_of?: number
  /** Of the run that wrote it last: an older one may not write it. */
  token: number
  /** 1 for the first state of it that is known, and one more with each change. */
  version: number
  /** Of the run that changed it last. */
  run_id?: string
  /** The number of its last change: see `nextChange`. */
  change?: number
}

/** A former state of an event: the whole document as it was. `token`: of the run that put something else in its place. */
export interface VersionDocument extends EventDocument {
  /** See `versionId`. */
  _id: string
  /** The event's id. */
  event: string
  /** The `updated_at` of the next state. */
  replaced_at: string
}
/** `token`: of its lease. */
export type RunDocument = Omit<Run, 'id' | 'kind'> & { _id: string; token: number; kind?: RunKind }
export type RunEnded = Pick<Run, 'finished_at' | 'detail' | 'counts'> & Pick<RunEnd, 'outcome' | 'reason'>
/** `token`: of the run that saw it last. */
export type RejectDocument = Omit<Reject, 'id'> & { _id: string; token?: number }
export interface SourceDocument {
  _id: string
  /** Of the last run that was opened: an older one may not write it. */
  token: number
  state: AdapterState | null
  last_success_at: string | null
  snapshot_at?: string
  circuit?: Circuit
  suspicion?: Suspicion | null
  /** Oldest first. In here, so that they change at once, and only by the holder of the newest token. */
  snapshots?: Snapshot[]
  /** How the last one ended that `totals` counts: its own document follows. */
  ended?: RunEnded & { run_id: string }
  /** How many runs ended how; see `totalKey`. */
  totals?: Record<string, number>
  /** The number of the last change that was to be deleted: see `forget`. */
  last_forgotten?: number
  /** What they have changed in all. */
  changes?: Omit<ChangeTotals, 'source'>
}
/** A part of a body. The source's snapshots say whether it is kept. */
export interface BodyDocument {
  /** See `bodyId`. */
  _id: string
  source: string
  run_id: string
  token: number
  size: number
  data: Uint8Array
}
export interface LeaseDocument {
  _id: string
  holder: string | null
  token: number
  expires: Date
  /** Of the take that won: tells it from another one of the same holder. */
  take: string
  taken_at?: Date
  attended_at?: Date
  unfinished?: boolean
  vanished?: number
}
export interface CommandDocument {
  _id: string
  /** In the order in which they were asked for. */
  no: number
  source: string
  kind: CommandKind
  asked_at: Date
  finished_at: Date | null
  outcome: CommandOutcome | null
  detail: string | null
  result: string | null
  attempts: number
  /** Source and kind, while it is not done: of these there is one. */
  waiting?: string
}
/** All in one, so that they change at once, and none has to be added that an older holder of the lease could add, too. */
export interface AlertsDocument {
  _id: 'alerts'
  /** Of the lease of whoever wrote them last: an older one may not write them. */
  token: number
  list: Alert[]
}
/** `schema` has the version of what `migrate` makes; `counters` the store's revision and the last numbers given. */
export interface MetaDocument {
  _id: 'schema' | 'counters' | 'secret'
  version?: number
  revision?: number
  seq?: number
  commands?: number
  /** How events were before then is not kept; with the counters. */
  history_since?: string
  secret?: string
}

/** Left out of what is shown. */
export const INTERNAL = {
  seq: 0,
  fingerprint: 0,
  piece: 0,
  as_of: 0,
  token: 0,
  version: 0,
  run_id: 0,
  change: 0,
  title_key: 0,
  words: 0,
  max_capacity: 0,
  sale_from: 0,
  sale_to: 0,
  end: 0,
  local_end: 0,
  price: 0,
  lowest_price: 0,
  highest_price: 0,
  'zones.folded': 0,
  replaced_at: 0
} as const

type Written = 'seq' | 'piece' | 'as_of' | 'token' | 'version' | 'run_id' | 'change'

export function toDocument(
  { content, fingerprint }: EncodedContent,
  life: EventLife,
  { seq, piece, as_of, ...written }: Required<Pick<EventDocument, Written>>
): EventDocument {
  const { id, zones: _zones, ...rest } = content
  const { zones, ...searched } = toSearched(content)
  // In the order in which it is shown.
  return { _id: id, ...rest, zones, ...life, seq, fingerprint, piece, as_of, ...written, ...searched }
}

/** @param document read without what is INTERNAL */
export function fromDocument<T>({ _id, ...rest }: { _id: string } & T): { id: string } & Omit<T, '_id'> {
  return { id: _id, ...(rest as Omit<T, '_id'>) }
}
