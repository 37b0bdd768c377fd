import type { SourceItem } from '../../adapters/kit/contract.ts'
import type { OpenRun, RejectContent, Storage } from '../../storage/kit/contract.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import { noteRepeated } from '../../storage/kit/open-run.ts'
import type { RunCounts } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { checkRecord, eventId } from './check.ts'

/** Items that are written at once; fewer, when their raw texts or what they were read from are this long. */
export const BATCH = { items: 500, characters: 4e6 }
/** Of a reject's raw text, in characters. */
const MOST_RAW = 65_536

export interface Batches {
  /** Checks an item and puts it into the batch, which is written when it is full. */
  take(item: SourceItem): void | Promise<void>
  /** Whether an event was read that is not written yet: its place among others of its id matters. */
  isWaiting(id: string): boolean
  /**
   * Writes the rest; and, unless the document broke off, the events that were held back: the last ones of them may not
   * have come yet.
   */
  end(options?: { brokeOff?: boolean }): Promise<void>
}

export interface BatchesOptions {
  source: Source
  opened: OpenRun
  counts: RunCounts
  storage: Storage
  /**
   * For a document that was fetched by an earlier run: the token of its lease. What came later is left alone.
   */
  asOf?: number
  /**
   * false: it is not the newest document, so it says what events are, not which are listed. Its rejects are not kept:
   * they are, since it was. Left out: true.
   */
  isNewest?: boolean
  /**
   * Ids of events that stood in the document several times before. They are written once, in the end: else each run would
   * change them to and fro.
   */
  held?: readonly string[]
}

/** Turns items into events and rejects, and writes them batch by batch. */
export function createBatches({
  source,
  opened,
  counts,
  storage,
  asOf,
  isNewest = true,
  held = []
}: BatchesOptions): Batches {
  let events: EventContent[] = []
  let waiting = new Set<string>()
  let pieces = new Map<string, string>()
  let rejects: RejectContent[] = []
  let rejectedIds: string[] = []
  let rawLength = 0
  let flushedAt = 0
  let keptRejects = 0
  const isHeld = new Set(held)
  const last = new Map<string, EventContent>()
  let heldLength = 0

  function addEvent(event: EventContent, piece: string | undefined): void {
    if (!isHeld.has(event.id)) {
      if (waiting.has(event.id)) noteRepeated(opened, event.id)
      events.push(event)
      waiting.add(event.id)
      // Of the last one, which counts.
      if (piece === undefined) pieces.delete(event.id)
      else pieces.set(event.id, piece)
      return
    }
    const before = last.get(event.id)
    if (before !== undefined) {
      counts.duplicates++
      noteRepeated(opened, event.id)
      heldLength -= lengthOf(before)
    }
    last.set(event.id, event)
    heldLength += lengthOf(event)
    if (heldLength > BATCH.characters) release()
  }
  /** More than can be held: they are written as they come. */
  function release(): void {
    events.push(...last.values())
    for (const id of last.keys()) waiting.add(id)
    last.clear()
    isHeld.clear()
  }
  function addReject(item: SourceItem, reason: string): void {
    counts.rejected++
    const id = item.record ? eventId(source.name, item.record) : null
    if (id !== null) rejectedIds.push(id)
    // The first ones of a document, so that the same ones are kept from run to run.
    if (!isNewest || keptRejects++ >= source.max_rejects) return
    const { path, raw } = item.where()
    rejects.push({ reason, path, raw: raw.slice(0, MOST_RAW), event_id: id })
    rawLength += Math.min(raw.length, MOST_RAW)
  }
  async function write(batch: EventContent[], pieces?: ReadonlyMap<string, string>): Promise<void> {
    const written = await storage.write(opened, batch, {
      listed: isNewest,
      ...(pieces && { pieces }),
      ...(asOf !== undefined && { asOf })
    })
    counts.created += written.created
    counts.updated += written.updated
    counts.unchanged += written.unchanged
    counts.restored += written.restored
    counts.duplicates += written.duplicates
  }
  async function writeAll(events: EventContent[], pieces?: ReadonlyMap<string, string>): Promise<void> {
    for (let i = 0; i < events.length; i += BATCH.items) {
      await write(events.slice(i, i + BATCH.items), pieces)
    }
  }
  async function flush(): Promise<void> {
    const batch = { events, pieces, rejects, rejectedIds }
    events = []
    waiting = new Set()
    pieces = new Map()
    rejects = []
    rejectedIds = []
    rawLength = 0
    flushedAt = counts.bytes
    await writeAll(batch.events, batch.pieces)
    // Their records are bad, but they are there: what is known of these events stays listed.
    if (batch.rejectedIds.length > 0) await storage.meet(opened, batch.rejectedIds)
    if (batch.rejects.length > 0) await storage.writeRejects(opened, batch.rejects, source.max_rejects)
  }

  const isFull = () =>
    events.length + Math.max(rejectedIds.length, rejects.length) >= BATCH.items ||
    rawLength > BATCH.characters ||
    counts.bytes - flushedAt > BATCH.characters

  return {
    take(item) {
      counts.seen++
      const { event, reason } = item.record === undefined ? { reason: item.reject } : checkRecord(item.record, source)
      if (event === undefined) addReject(item, reason)
      else addEvent(event, item.piece)
      return isFull() ? flush() : undefined
    },
    isWaiting: (id) => isHeld.has(id) || waiting.has(id),
    async end({ brokeOff = false } = {}) {
      await flush()
      if (!brokeOff) await writeAll([...last.values()])
      else if (last.size > 0) {
        // They stay as they are, and are there.
        await storage.meet(opened, [...last.keys()])
        counts.unchanged += last.size
      }
      last.clear()
    }
  }
}

/** About how many characters an event takes. */
function lengthOf({ title, zones }: EventContent): number {
  return 500 + title.length + zones.reduce((sum, { zone_id, name }) => sum + 100 + zone_id.length + name.length, 0)
}
