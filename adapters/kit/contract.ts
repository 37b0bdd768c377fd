import type { Static, TObject } from '@sinclair/typebox'
import type { FastifyBaseLogger } from 'fastify'
import type { SourceSection } from '../../plugins/config/schema.ts'
import type { HttpClient } from '../../plugins/http.ts'
import type { AdapterState } from '../../storage/kit/contract.ts'

/** Knows one feed format. */
export interface SourceAdapter<Options extends TObject = TObject> {
  /** Schema of the keys that this adapter adds to `[source.NAME]`. */
  options: Options
  /**
   * Reads one snapshot, pulled by the consumer: while nothing is asked for, nothing may be read from the network.
   * Throws `FeedError` for what is wrong with the feed or the way to it. Ends at once when `signal` aborts.
   * @returns items one by one, or some hundreds at a time, which costs less
   */
  read(context: SourceContext<Static<Options>>): AsyncIterable<SourceItem | readonly SourceItem[]>
  /**
   * A whole document with nothing in it but this reject, to be read again; left out: its raw text is one.
   */
  wrap?(reject: Where): string
}

export interface SourceContext<Options = unknown> {
  source: SourceSettings
  options: Options
  signal: AbortSignal
  log: FastifyBaseLogger
  http: HttpClient
  /** What the last `complete()` of this source gave, if its settings are still the same. */
  state: AdapterState | null
  /**
   * Says that the whole snapshot was yielded. Only then are missing events delisted and `state` kept for the next run.
   * To be called at most once, after the last item.
   */
  complete(state: AdapterState): void
  /** Says that the provider answered that nothing changed since `state`. Instead of `complete`, with no items. */
  unchanged(): void
  /** Decoded bytes, to be counted as they come. */
  countBytes(bytes: number): void
  /** Passes over parts of the document that are known word for word. Left out: all of it is to be read. */
  pieces?: KnownPieces
  /** A document to be read in place of the one at `url`: a kept one, or a reject. `openFeed` sees to it. */
  replay?: FeedBody
  /**
   * Called when a document is opened; what it gives takes the bytes, as they come, to keep them if they turn out to be a
   * whole snapshot. `openFeed` sees to it.
   */
  keep?(charset: string | null): (chunk: Uint8Array) => Promise<void>
}

/** A part of a document that holds whole events and nothing that belongs to others. */
export interface CutPiece {
  text: string
  /** Who its events seem to be; a wrong guess only costs reading it. */
  events: { base_event_id: string; event_id: string }[]
}

export interface KnownPieces {
  /**
   * Tells for each piece whether it is known: whether all its events are listed, and were last read from just this text.
   * The pieces follow one another in the document.
   */
  find(pieces: CutPiece[]): Promise<FoundPiece[]>
  /** Counts the events of a known piece as read. In the order of the document. */
  pass(piece: FoundPiece): void
}

export interface FoundPiece {
  /** For `SourceItem.piece` of what is read from it. */
  digest: string
  /** Internal numbers of its events; null where it is not known. */
  numbers: number[] | null
}

export interface FeedBody {
  bytes: AsyncIterable<Uint8Array>
  /** As HTTP gave it. */
  charset: string | null
}

/** The part of `[source.NAME]` that is the same for all adapters; `url` is absolute. */
export type SourceSettings = Static<typeof SourceSection> & { name: string }

/** One thing found in the feed: a record, still to be checked, or why there cannot even be a record. */
export type SourceItem = {
  where(): Where
  /**
   * What it was read from, so that it can be passed over next time: `FoundPiece.digest`, where that piece turned out to
   * hold what it seemed to.
   */
  piece?: string
} & ({ record: EventRecord } | { record?: never; reject: string })

/** Asked for only when something is wrong with the item, and before the next one, or the next ones, are read. */
export interface Where {
  /** `/eventList/output/base_event[3]/event[1]` */
  path: string
  /** The source text that the item was read from, enough to read it again. */
  raw: string
}

/** What the feed says, word for word; undefined where it says nothing. The pipeline checks and converts it. */
export interface EventRecord {
  base_event_id: string | undefined
  event_id: string | undefined
  title: string | undefined
  sell_mode: string | undefined
  organizer_company_id: string | undefined
  start_date: string | undefined
  end_date: string | undefined
  sell_from: string | undefined
  sell_to: string | undefined
  sold_out: string | undefined
  zones: ZoneRecord[]
}

export interface ZoneRecord {
  zone_id: string | undefined
  name: string | undefined
  capacity: string | undefined
  price: string | undefined
  numbered: string | undefined
}
