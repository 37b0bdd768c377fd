import type { SourceAdapter, SourceItem } from '../../adapters/kit/contract.ts'
import { FeedError } from '../../adapters/kit/errors.ts'
import type { Position } from '../../storage/kit/contract.ts'
import type { EventContent } from '../../storage/kit/event.ts'
import type { Reject } from '../../storage/kit/reject.ts'
import type { Run } from '../../storage/kit/run.ts'
import { NO_COUNTS } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { checkRecord } from './check.ts'
import { readKnown } from './known-state.ts'
import { readDocument } from './read-document.ts'
import { type Ending, type RunContext, recordRun, wrote } from './record-run.ts'

const PAGE = 100

/**
 * Tries a source's rejects again, from their raw texts. One that passes becomes an event and is a reject no more; unless
 * a later snapshot has brought that event: then it is only deleted. Counts: `seen` rejects, `rejected` those that stay.
 */
export async function redriveSource(source: Source, adapter: SourceAdapter, context: RunContext): Promise<Run> {
  const { storage, signal } = context
  const { snapshot_at } = await readKnown(storage, source)

  return recordRun(source, 'redrive', context, async ({ opened, counts, log }): Promise<Ending> => {
    async function retry(reject: Reject): Promise<boolean> {
      const item = await readAgain(reject)
      const { event } = item?.record === undefined ? {} : checkRecord(item.record, source)
      if (event === undefined) return false
      await write(event, reject.last_seen_at >= (snapshot_at ?? ''))
      return true
    }
    async function write(event: EventContent, isInFeed: boolean): Promise<void> {
      if (!isInFeed && (await storage.get(event.id)) !== null) return
      const written = await storage.write(opened, [event], { listed: isInFeed })
      counts.created += written.created
      counts.updated += written.updated
      counts.unchanged += written.unchanged
      counts.restored += written.restored
      counts.duplicates += written.duplicates
    }
    /** undefined where it cannot be read at all. */
    async function readAgain(reject: Reject): Promise<SourceItem | undefined> {
      const items: SourceItem[] = []
      const document = Buffer.from(adapter.wrap?.(reject) ?? reject.raw)
      const replay = { bytes: ReadableStream.from([document]), charset: 'utf-8' }
      try {
        const take = (item: SourceItem) => void items.push(item)
        await readDocument(source, adapter, { ...context, log, counts: { ...NO_COUNTS }, replay, take })
      } catch (error) {
        if (!(error instanceof FeedError)) throw error
      }
      return items.length === 1 ? items[0] : undefined
    }

    let after: Position | undefined
    do {
      const page = await storage.rejects(source.name, { limit: PAGE, ...(after && { after }) })
      const passed: string[] = []
      for (const reject of page.items) {
        signal.throwIfAborted()
        counts.seen++
        if (await retry(reject)) passed.push(reject.id)
        else counts.rejected++
      }
      await storage.deleteRejects(opened, passed)
      after = page.next ?? undefined
    } while (after !== undefined)
    // Whether these events are in the feed is for the next fetch to say, which must read all of it.
    return { outcome: 'complete', ...(wrote(counts) && { state: null }) }
  })
}
