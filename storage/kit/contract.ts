/**
 * What every storage does. `test/storage/conformance.test.ts` says the same in tests; a driver is done when it passes them.
 * The API and ingestion each open the storage for themselves, in two threads, processes or hosts: what one writes the
 * others must see, so it cannot live in the memory of one of them.
 * Every method may reject with `StorageUnavailable` (try again later) or `StorageUnusable` (a person must act), and
 * those that take a run or a lease with `LeaseLost`. What a driver's package throws never leaves it.
 */

import type { Alert } from './alert.ts'
import type { Bitmap } from './bitmap.ts'
import type { Command, CommandEnd, CommandKind } from './command.ts'
import type { Event, EventContent } from './event.ts'
import type { EventQuery } from './filters.ts'
import type { Reject } from './reject.ts'
import type { Outcome, Reason, Run, RunCounts, RunKind } from './run.ts'

export interface Storage {
  /**
   * Events in the query's order, after the position, with their keys in the order of `EventSchema`. Rejects with
   * `QueryTooSlow` where no index answers it and `QUERY_DEADLINE_MS` are not enough, and with `Forgotten` where
   * `asOf` is before what is kept. It must not keep its thread from other work for long.
   * @param revision one that `revision` gave: the answer may be of then, or of any time since. Left out: as it is now.
   */
  find(query: EventQuery, page: PageRequest, revision?: number): Promise<EventPage>
  /** How many events there are, counted no further than one beyond `most`. Rejects as `find` does. */
  count(query: EventQuery, most: number): Promise<number>
  /**
   * All of them in the same order, in constant memory. Ends when the consumer leaves or the signal aborts. The
   * deadline is that of each page that is read.
   */
  stream(query: EventQuery, signal?: AbortSignal): AsyncIterable<Event>
  /** @param asOf see `EventQuery.asOf` */
  get(id: string, asOf?: string): Promise<Event | null>
  /** What an event was, newest first, as far back as it is kept; empty where there is none with this id. */
  versions(id: string, page: PageRequest): Promise<Page<EventVersion>>
  /**
   * The changes of all events, each source's in the order in which they were made, oldest first: those after the position, or
   * else those since the time, or else all that are kept. None is passed over, whatever is being written meanwhile: rejects
   * with `Forgotten` where changes after the position were deleted (`prune`) since it was given.
   */
  changes(page: ChangesRequest): Promise<ChangePage>
  /** The position after every change there is now. */
  lastChange(): Promise<Position>
  /** What it has of these events, in no order; those that are not there, or not of this source, are left out. */
  known(source: string, which: { ids: string[] } | { numbers: number[] }): Promise<KnownEvent[]>
  /** Grows with every change to any event, after it, and when the past is forgotten. What is read later is never older than the revision read before. */
  revision(): Promise<number>
  /** A random secret, made once with the store, that every process on it shares: hexadecimal, 64 digits. */
  secret(): Promise<string>

  /** null where there is none of this source with this id. */
  run(source: string, id: string): Promise<Run | null>
  /** Newest first, in the order of their leases' tokens. */
  runs(source: string, page: PageRequest): Promise<Page<Run>>
  /** Newest (last seen) first. */
  rejects(source: string, page: PageRequest): Promise<Page<KeptReject>>
  /** Of every source that ever had a run. */
  sources(): Promise<SourceState[]>

  /**
   * Takes a free or expired lease, on the storage's own clock. Every take raises the token, so that of two holders
   * the later has the higher one.
   * @param occasion what it is taken for, so that of all processes one does it; left out: for no occasion of its own
   * @returns null while anybody holds it, the same holder included; and where the occasion was seen to.
   */
  takeLease(name: string, holder: string, ms: number, occasion?: Occasion): Promise<Lease | null>
  /** @returns false when it expired or somebody else took it: stop working at once. */
  renewLease(lease: Lease, ms: number): Promise<boolean>
  /**
   * Gives a lease back. Never throws for one that is lost already.
   * @param isDone false: the occasion that it was taken for is left unfinished, for another one to take over at once
   */
  releaseLease(lease: Lease, isDone?: boolean): Promise<void>

  /** What whoever ingests has to look at, several times a second. */
  agenda(): Promise<Agenda>

  /**
   * Asks for something to be done with a source. One that waits or is being done already is not asked for twice: that one
   * is returned, and for a `run` also one that was asked for less than a second ago, done or not. `pause` and
   * `resume` are in force with that, the later of two before the earlier.
   */
  addCommand(source: string, kind: CommandKind): Promise<Command>
  /** Names of the sources that are paused. */
  paused(): Promise<string[]>
  /** null where there is none of this source with this id. */
  command(source: string, id: string): Promise<Command | null>
  /** Newest first, without their results: those are long. */
  commands(source: string, page: PageRequest): Promise<Page<Omit<Command, 'result'>>>
  /** @returns how often it was begun with this; null where it is done. */
  beginCommand(id: string): Promise<number | null>
  /** Records its end and its result, once: one that is done stays as it is. */
  finishCommand(id: string, end: CommandEnd): Promise<void>

  /**
   * Starts a run. If a predecessor of this source left one open, that is recorded as `aborted` (`abandoned`), and the
   * source's state is forgotten: it may belong to a content that the storage no longer has. Bodies that no run kept are
   * deleted.
   * @param id of the command that it is done for; if a predecessor left just this one open, it begins anew
   */
  openRun(source: string, lease: Lease, kind?: RunKind, id?: string): Promise<OpenRun>
  /**
   * Inserts new events, updates changed ones, restores delisted ones and touches no other. Idempotent. An event that this
   * run has met before counts as a duplicate, and replaces what was written of it; of two with one id in a batch the
   * last counts. The batch is at most 1000 events of the run's own source.
   */
  write(run: OpenRun, events: EventContent[], options?: WriteOptions): Promise<WriteCounts>
  /** Of the events with these ids, marks the listed ones as met by this run. */
  meet(run: OpenRun, ids: string[]): Promise<void>
  /**
   * For each piece the internal numbers of its events, where all of them are listed and were last written from just this
   * piece; otherwise null. It marks none as met: that is for whoever passes over the piece.
   */
  findPieces(run: OpenRun, pieces: Piece[]): Promise<(number[] | null)[]>
  /**
   * Keeps rejects, once per content (`rejectId`) however often they come back: a repeat has the newest path and run, and
   * counts once a run. Of the source's, only the `most` last seen ones stay.
   */
  writeRejects(run: OpenRun, rejects: RejectContent[], most: number): Promise<void>
  /** By id, of the run's source; those that are not there are none. */
  deleteRejects(run: OpenRun, ids: string[]): Promise<void>
  /**
   * What is listed and was not met by this run; nothing of a source that never had one.
   * @param now `YYYY-MM-DDTHH:MM:SSZ`: what starts later is in the future
   */
  missing(run: OpenRun, now: string): Promise<Missing>
  /** Marks these as delisted, by their internal numbers, where they are listed and were not met by this run. */
  delist(run: OpenRun, numbers: number[]): Promise<number>
  /**
   * Records the end: first, where they are given, `state`, `circuit` and `suspicion`, and for a run of kind `fetch`
   * `last_success_at` (`complete` and `unchanged`) and `snapshot_at` (where it read a whole snapshot). A command that
   * it was done for has its outcome.
   */
  closeRun(run: OpenRun, end: RunEnd): Promise<Run>

  /** A part, from 0, of the body that this run reads; kept aside until `keepSnapshot`. At most 1 MB. */
  writeBody(run: OpenRun, part: number, data: Uint8Array): Promise<void>
  /**
   * Keeps the parts as the source's newest snapshot, in place of the oldest ones beyond `keep`: so many, and so many bytes
   * as they are stored. Without a snapshot, or where it alone has more bytes, its parts are deleted instead.
   */
  keepSnapshot(run: OpenRun, snapshot: SnapshotContent | null, keep: { count: number; bytes: number }): Promise<void>
  /** Oldest first. */
  snapshots(source: string): Promise<Snapshot[]>
  /** The parts of a kept snapshot, in order, one in memory at a time. */
  readBody(run_id: string): AsyncIterable<Uint8Array>

  /** How many runs ended how, ever. */
  runTotals(): Promise<RunTotal[]>
  /** What the runs that were closed have changed, ever. Of every source that ever had a run. */
  changeTotals(): Promise<ChangeTotals[]>
  /** Of every source that ever had a run. May take as long as it takes to count a million keys of an index. */
  countEvents(): Promise<EventCount[]>

  /** What `saveAlerts` was given last. */
  alerts(): Promise<Alert[]>
  /** Keeps these, in place of all former ones. */
  saveAlerts(lease: Lease, alerts: Alert[]): Promise<void>

  /**
   * Ends commands that nobody has done within a day: `aborted`. Deletes the oldest runs and commands beyond this number, of
   * each source; but no command that waits, nor the one that says whether the source is paused. Of the commands only the
   * newest `MOST_RESULTS` that have one keep their result. Former states of events that ended before `historySince`
   * are deleted, and nothing is told any more of how events were before then; left out, all are kept.
   * Events are never deleted.
   */
  prune(keep: { runs: number; historySince?: string }): Promise<void>
  /** Resolves when the storage answers and is migrated. */
  ping(): Promise<void>
  /** Brings an empty or older storage to what this program needs. Idempotent; several may call it at once. */
  migrate(): Promise<void>
  /** Waits for what is under way. Nothing but another `close` may be called afterwards. */
  close(): Promise<void>
}

/** An event, and what a write of it is judged by. */
export interface KnownEvent {
  /** Storage-internal, as in `OpenRun.met`. */
  number: number
  fingerprint: string
  /** See `WriteOptions.asOf`. */
  asOf: number
  /** See `WriteOptions.pieces`. */
  piece: string | null
  event: Event
}

/** `after`: the position to go on from, as a former page gave it; left out for the first page. */
export interface PageRequest {
  limit: number
  after?: Position
}

/** Values of the sort keys of a page's last item, opaque to all but the storage. */
export type Position = string[]

export interface Page<T> {
  items: T[]
  /** null on the last page. */
  next: Position | null
}

/** A state of an event, and the one before. */
export interface EventVersion {
  /** When it became so: its `updated_at`. */
  at: string
  /** Of the run that made it so; null where that was before histories were kept. */
  run_id: string | null
  event: Event
  /** null where it is new, or what was before is not kept. */
  before: Event | null
}

/** `since`: UTC with milliseconds, inclusive. */
export type ChangesRequest = { limit: number } & ({ after?: Position } | { since: string })

export interface ChangePage {
  /** `position`: after this change. */
  items: (EventVersion & { position: Position })[]
  /** After the last of them; where there are none, where to ask again. */
  next: Position
  hasMore: boolean
}

export interface EventPage {
  /** The events as JSON, joined by commas, without brackets: the read path sends what a storage keeps, unparsed. */
  json: string | Buffer
  next: Position | null
}

export interface Lease {
  name: string
  holder: string
  token: number
  /** Whether it was taken for an occasion. */
  isForOccasion: boolean
  /** The time by the storage's clock, without asking it: whatever this machine's clock says. */
  now(): Date
}

/** Times: milliseconds since 1970, by the storage's clock. */
export type Occasion =
  /** Something that was due then: nobody has taken the lease for an occasion since. */
  | { since: number }
  /** Somebody took it for an occasion, and has neither done that nor holds it any more. */
  | { abandoned: true }

export interface Agenda {
  /** Milliseconds since 1970, by the storage's clock, as all times here. */
  now: number
  /** All that were ever taken. */
  leases: LeaseState[]
  /** Of every source that ever had a run. */
  circuits: { source: string; circuit: Circuit }[]
  /** Names of sources. */
  paused: string[]
  /** Those that are not done, in the order in which they were asked for; at most 1000. */
  commands: Command[]
}

export interface LeaseState {
  name: string
  /** null: it is free. */
  holder: string | null
  token: number
  taken_at: number
  expires: number
  /** When it was last taken for an occasion. */
  attended_at: number | null
  /** Whether an occasion that it was taken for was not done; also while somebody does it. */
  unfinished: boolean
  /** How many of its last holders vanished, in a row. */
  vanished: number
}

export interface OpenRun {
  id: string
  source: string
  kind: RunKind
  lease: Lease
  /** UTC, milliseconds. */
  started_at: string
  /**
   * Storage-internal numbers of the listed events that this run has met, so that delisting costs one bit an event. As
   * many as are listed: none is missing.
   */
  met: Bitmap
  /** Ids of events that were written again after this run had met them, the first 10 000: `noteRepeated`. */
  repeated: Set<string>
  /** How many changes of events it has written, or tried to: what orders them within the run. */
  changes: number
}

/** Counts of events, each in one of them. One that comes back and changed counts as restored alone. */
export type WriteCounts = Pick<RunCounts, 'created' | 'updated' | 'unchanged' | 'restored' | 'duplicates'>

export interface WriteOptions {
  /**
   * false: it is said what events are, not that they are listed: delisted ones stay so, and new ones are delisted. Left
   * out: true.
   */
  listed?: boolean
  /**
   * Token of the lease under which the document was fetched that this is read from; left out: that of the run. What has its
   * content from a later one stays as it is, and counts as unchanged.
   */
  asOf?: number
  /**
   * The pieces that events were read from, by the events' ids. A new one for an event that is the same is no change; where
   * there is none for it, the former one stays.
   */
  pieces?: ReadonlyMap<string, string>
}

/** A part of a document that holds some events and nothing else. */
export interface Piece {
  /** Equal for equal pieces alone. */
  digest: string
  /** Of its events, each once. */
  ids: string[]
}

/** Internal numbers of events, as in `OpenRun.met`. */
export interface Missing {
  all: number[]
  /** Those that start in the future. */
  future: number[]
  /** How many events are listed that start in the future. */
  listedFuture: number
}

export interface RunEnd {
  outcome: Outcome
  reason: Reason | null
  /** One sentence for a person: what happened. */
  detail: string | null
  counts: RunCounts
  /**
   * What the adapter wants back at the next run. Only a run that read the whole snapshot may give one; one that wrote
   * something and broke off gives null, to forget the former. Left out, that one stays.
   */
  state?: AdapterState | null
  /** Left out, the former one stays. */
  circuit?: Circuit
  /** Left out, the former one stays. */
  suspicion?: Suspicion | null
  /** Whether the whole snapshot was read and what it says written, whatever became of what it lacks. */
  readWhole?: boolean
}

/** A reject as the pipeline gives it. */
export type RejectContent = Pick<Reject, 'reason' | 'path' | 'raw' | 'event_id'>

/** `token`: of the lease of the run that saw it last. */
export type KeptReject = Reject & { token: number }

/** Owned by the adapter (validators, digest), kept by the storage. */
export type AdapterState = Record<string, string | null>

export interface SourceState {
  source: string
  state: AdapterState | null
  last_success_at: string | null
  /** When the run started that last read a whole snapshot. */
  snapshot_at: string | null
  circuit: Circuit
  suspicion: Suspicion | null
}

/** How a source is spared after failures. */
export interface Circuit {
  /** In a row. */
  failures: number
  /** Not before this time; null: at the next time of the cron. */
  retry_at: string | null
}

/** Set by a complete snapshot that lacks so much that it was not believed. */
export interface Suspicion {
  run_id: string
  /** Events that would have been delisted. */
  missing: number
  future_missing: number
  future_listed: number
  /** Internal numbers of the missing ones: `Bitmap.encode`. */
  numbers: string
}

export interface SnapshotContent {
  /** SHA-256 of the body, hexadecimal. */
  digest: string
  /** As HTTP gave it. */
  charset: string | null
  /** Of the body. */
  bytes: number
}

export interface Snapshot extends SnapshotContent {
  run_id: string
  /** Of the lease of that run. */
  token: number
  /** As it is stored, in bytes. */
  size: number
  kept_at: string
}

export interface RunTotal {
  source: string
  kind: RunKind
  outcome: Outcome
  reason: Reason | null
  runs: number
}

export type ChangeTotals = { source: string } & Pick<
  RunCounts,
  'created' | 'updated' | 'delisted' | 'restored' | 'rejected'
>

/** How many events there are. */
export interface EventCount {
  source: string
  listed: number
  delisted: number
}
