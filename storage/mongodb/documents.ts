import type { Alert } from '../kit/alert.ts'
import type { CommandKind, CommandOutcome } from '../kit/command.ts'
import type { AdapterState, ChangeTotals, Circuit, RunEnd, Snapshot, Suspicion } from '../kit/contract.ts'
import type { EncodedContent, EventLife } from '../kit/encode.ts'
import type { Event } from '../kit/event.ts'
import type { Reject } from '../kit/reject.ts'
import type { Run, RunKind } from '../kit/run.ts'

// What may be left out came with a later version of the schema: documents of the former ones stay as they are.

/** An event as the API shows it, under `_id`, followed by what only the storage needs. */
export interface EventDocument extends Omit<Event, 'id'> {
  _id: string
  /** A number of its own, for `OpenRun.met`. */
  seq: number
  fingerprint: string
  /** See `WriteOptions.pieces`. */
  piece?: string | null
  /** Of the run that fetched the document that its content is from. */
  as_of?: number
  /** Of the run that wrote it last: an older one may not write it. */
  token: number
  /** When it ends, or starts where there is no end; instant and wall-clock time. */
  end: string
  local_end: string
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
  _id: 'schema' | 'counters'
  version?: number
  revision?: number
  seq?: number
  commands?: number
}

export const INTERNAL = { seq: 0, fingerprint: 0, piece: 0, as_of: 0, token: 0, end: 0, local_end: 0 } as const

export function toDocument(
  { content, fingerprint }: EncodedContent,
  life: EventLife,
  { seq, piece, as_of, token }: Required<Pick<EventDocument, 'seq' | 'piece' | 'as_of' | 'token'>>
): EventDocument {
  const { id, ...rest } = content
  return {
    _id: id,
    ...rest,
    ...life,
    seq,
    fingerprint,
    piece,
    as_of,
    token,
    end: content.ends_at ?? content.starts_at,
    local_end: content.end_date ?? content.start_date
  }
}

/** @param document read without what is INTERNAL */
export function fromDocument<T>({ _id, ...rest }: { _id: string } & T): { id: string } & Omit<T, '_id'> {
  return { id: _id, ...(rest as Omit<T, '_id'>) }
}
