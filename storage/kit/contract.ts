/**
 * What every storage does. `test/storage/conformance.test.ts` says the same in tests; a driver is done when it passes them.
 * The API and ingestion each open the storage for themselves, in two threads, processes or hosts: what one writes the
 * others must see, so it cannot live in the memory of one of them.
 * Every method may reject with `StorageUnavailable` (try again later) or `StorageUnusable` (a person must act), and
 * those that take a run or a lease with `LeaseLost`. What a driver's package throws never leaves it.
 */

import type { Bitmap } from './bitmap.ts'
import type { Event, EventContent } from './event.ts'
import type { EventFilters } from './filters.ts'
import type { Reject } from './reject.ts'
import type { Outcome, Reason, Run, RunCounts } from './run.ts'

export interface Storage {
  /** Events in order of (starts_at, id), after the position, with their keys in the order of `EventSchema`. */
  find(filters: EventFilters, page: PageRequest): Promise<EventPage>
  /** All of them in the same order, in constant memory. Ends when the consumer leaves or the signal aborts. */
  stream(filters: EventFilters, signal?: AbortSignal): AsyncIterable<Event>
  get(id: string): Promise<Event | null>
  /** Grows with every change to any event, after it. What is read later is never older than the revision read before. */
  revision(): Promise<number>

  /** Newest first, in the order of their leases' tokens. */
  runs(source: string, page: PageRequest): Promise<Page<Run>>
  /** Newest (last seen) first. */
  rejects(source: string, page: PageRequest): Promise<Page<Reject>>
  /** Of every source that ever had a run. */
  sources(): Promise<SourceState[]>

  /**
   * Takes a free or expired lease, on the storage's own clock. Every take raises the token, so that of two holders
   * the later has the higher one.
   * @returns null while anybody holds it, the same holder included.
   */
  takeLease(name: string, holder: string, ms: number): Promise<Lease | null>
  /** @returns false when it expired or somebody else took it: stop working at once. */
  renewLease(lease: Lease, ms: number): Promise<boolean>
  /** Never throws for a lease that is lost already. */
  releaseLease(lease: Lease): Promise<void>

  /**
   * Starts a run. If a predecessor of this source left one open, that is recorded as `aborted` (`abandoned`), and the
   * source's state is forgotten: it may belong to a content that the storage no longer has.
   */
  openRun(source: string, lease: Lease): Promise<OpenRun>
  /**
   * Inserts new events, updates changed ones, restores delisted ones and touches no other. Idempotent. Of two events
   * with one id in a batch the last counts. The batch is at most 1000 events of the run's own source.
   */
  write(run: OpenRun, events: EventContent[]): Promise<WriteCounts>
  /**
   * Keeps rejects, once per content (`rejectId`) however often they come back: a repeat has the newest path and run, and
   * counts once a run. One that has an event's id keeps that event listed.
   */
  writeRejects(run: OpenRun, rejects: RejectContent[]): Promise<void>
  /** Marks as delisted every listed event of the source that this run has not met. Only for a complete snapshot. */
  delist(run: OpenRun): Promise<number>
  /** Records the end; `state` is saved first, where given, and `last_success_at` for `complete` and `unchanged`. */
  closeRun(run: OpenRun, end: RunEnd): Promise<Run>

  /** Deletes the oldest runs and rejects beyond these numbers, of each source. Events are never deleted. */
  prune(keep: { runs: number; rejects: number }): Promise<void>
  /** Resolves when the storage answers and is migrated. */
  ping(): Promise<void>
  /** Brings an empty or older storage to what this program needs. Idempotent; several may call it at once. */
  migrate(): Promise<void>
  /** Waits for what is under way. Nothing but another `close` may be called afterwards. */
  close(): Promise<void>
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

export interface EventPage {
  /** The events as JSON, joined by commas, without brackets: the read path sends what a storage keeps, unparsed. */
  json: string | Buffer
  next: Position | null
}

export interface Lease {
  name: string
  holder: string
  token: number
}

export interface OpenRun {
  id: string
  source: string
  lease: Lease
  /** UTC, milliseconds. */
  started_at: string
  /**
   * Storage-internal numbers of the listed events that this run has met, so that delisting costs one bit an event. As
   * many as are listed: none is missing.
   */
  met: Bitmap
}

/** Counts of events. One that comes back and changed counts as restored alone. */
export type WriteCounts = Pick<RunCounts, 'created' | 'updated' | 'unchanged' | 'restored'>

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
}

/** A reject as the pipeline gives it. */
export type RejectContent = Pick<Reject, 'reason' | 'path' | 'raw' | 'event_id'>

/** Owned by the adapter (validators, digest), kept by the storage. */
export type AdapterState = Record<string, string | null>

export interface SourceState {
  source: string
  state: AdapterState | null
  last_success_at: string | null
}
