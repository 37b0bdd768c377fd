import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SourceAdapter, SourceItem } from '../../adapters/kit/contract.ts'
import { FeedError } from '../../adapters/kit/errors.ts'
import type { Position, WriteCounts, WriteOptions } from '../../storage/kit/contract.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import type { Reject } from '../../storage/kit/reject.ts'
import type { Run } from '../../storage/kit/run.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { checkRecord } from './check.ts'
import { forgetValidators } from './known-state.ts'
import { readDocument } from './read-document.ts'
import { type Ending, type RunContext, recordRun, wrote } from './record-run.ts'

const PAGE = 100

/**
 * Tries a source's rejects again, from their raw texts. One that passes becomes an event and is a reject no more; unless
 * a later snapshot has brought that event: then it is only deleted. Counts: `seen` rejects, `rejected` those that stay.
 */
export async function redriveSource(source: Source, adapter: SourceAdapter, context: RunContext): Promise<Run> {
  const { storage, signal } = context

  return recordRun(source, 'redrive', context, async ({ opened, known, counts, log }): Promise<Ending> => {
    /** undefined where it is a reject still. */
    async function readAgain(reject: Reject): Promise<EventContent | undefined> {
      const items: SourceItem[] = []
      const document = Buffer.from(adapter.wrap?.(reject) ?? reject.raw)
      const replay = { bytes: ReadableStream.from([document]), charset: 'utf-8' }
      try {
        const take = (item: SourceItem) => void items.push(item)
        await readDocument(source, adapter, { ...context, log, counts: { ...NO_COUNTS }, replay, take })
      } catch (error) {
        signal.throwIfAborted()
        // It costs this one alone.
        if (!(error instanceof FeedError)) log.error({ err: error, reject: reject.id }, 'a fault in the adapter')
      }
      const [item] = items
      return items.length === 1 && item!.record ? checkRecord(item!.record, source).event : undefined
    }
    async function write(events: EventContent[], options: WriteOptions): Promise<void> {
      const written = await storage.write(opened, events, options)
      for (const key of Object.keys(written) as (keyof WriteCounts)[]) counts[key] += written[key]
    }

    signal.throwIfAborted()
    // Of several rejects of one event the one that was seen last counts; they come in that order.
    const tried = new Set<string>()
    let after: Position | undefined
    do {
      const page = await storage.rejects(source.name, { limit: PAGE, ...(after && { after }) })
      const passed: string[] = []
      /** By the token of the run that saw them last. */
      const inFeed = new Map<number, EventContent[]>()
      const gone = new Map<number, EventContent[]>()
      for (const reject of page.items) {
        // Others want to be answered meanwhile.
        await nextTurn()
        signal.throwIfAborted()
        counts.seen++
        const event = await readAgain(reject)
        if (event === undefined) {
          counts.rejected++
          continue
        }
        passed.push(reject.id)
        if (tried.has(event.id)) continue
        tried.add(event.id)
        const isInFeed = reject.last_seen_at >= (known.snapshot_at ?? '')
        if (isInFeed) add(inFeed, reject.token, event)
        else if ((await storage.get(event.id)) === null) add(gone, reject.token, event)
      }
      // What the very run that rejected the record has of the event is from a better one.
      for (const [token, events] of inFeed) await write(events, { asOf: token - 1 })
      for (const [token, events] of gone) await write(events, { asOf: token, listed: false })
      await storage.deleteRejects(opened, passed)
      after = page.next ?? undefined
    } while (after !== undefined)
    // Whether these events are in the feed is for the next fetch to say, which must read all of it.
    return { outcome: 'complete', ...(wrote(counts) && { state: forgetValidators(known.state) }) }
  })
}

function add<Key, Value>(groups: Map<Key, Value[]>, key: Key, value: Value): void {
  groups.set(key, [...(groups.get(key) ?? []), value])
}
