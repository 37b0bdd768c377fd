import { hash } from 'node:crypto'
import type { FoundPiece, KnownPieces } from '../../adapters/kit/contract.ts'
import type { OpenRun, Storage } from '../../storage/kit/contract.ts'
import type { RunCounts } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { eventId } from './check.ts'
import { settingsDigest } from './known-state.ts'

export interface KnownPiecesOptions {
  source: Source
  opened: OpenRun
  counts: RunCounts
  storage: Storage
  /** Whether nothing was ever read whole, so that nothing can be known. */
  isFirst: boolean
  /** Whether an event's place among the others matters, so that it has to be read: see `Batches.isWaiting`. */
  isWaiting(id: string): boolean
}

/**
 * What makes an unchanged feed cheap: a piece of it that was read before, word for word and under the same settings and
 * code, is the same events again.
 */
export function createKnownPieces({
  source,
  opened,
  counts,
  storage,
  isFirst,
  isWaiting
}: KnownPiecesOptions): KnownPieces {
  const settings = settingsDigest(source)

  return {
    async find(cut) {
      const seen = new Set<string>()
      let isRepeated = false
      const pieces = cut.map(({ text, events }) => {
        const ids: string[] = []
        let isReadable = events.length > 0
        for (const event of events) {
          const id = eventId(source.name, event)
          isRepeated ||= id !== null && seen.has(id)
          if (id === null || isWaiting(id)) isReadable = false
          else {
            ids.push(id)
            seen.add(id)
          }
        }
        return {
          digest: `${hash('sha256', settings + text, 'base64url')}/${events.length}`,
          ids: isReadable ? ids : []
        }
      })
      // The last one counts of an event that stands there twice, so their order matters: read them all.
      const isKnowable = ({ ids }: { ids: string[] }) => !isFirst && !isRepeated && ids.length > 0
      const knowable = pieces.filter(isKnowable)
      const numbers = knowable.length === 0 ? [] : await storage.findPieces(opened, knowable)
      let next = 0
      return pieces.map(
        (piece): FoundPiece => ({ digest: piece.digest, numbers: isKnowable(piece) ? numbers[next++]! : null })
      )
    },
    pass({ numbers }) {
      for (const number of numbers!) {
        counts.seen++
        if (opened.met.has(number)) counts.duplicates++
        else counts.unchanged++
        opened.met.add(number)
      }
    }
  }
}
