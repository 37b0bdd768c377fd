import { hash } from 'node:crypto'
import type { CutPiece, KnownPieces } from '../../adapters/kit/contract.ts'
import type { OpenRun, Piece, Storage } from '../../storage/kit/contract.ts'
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
  const digest = ({ text, events }: CutPiece) => `${hash('sha256', settings + text, 'base64url')}/${events.length}`

  return {
    async find(cut) {
      if (isFirst) return cut.map((piece) => ({ digest: digest(piece), numbers: null }))
      const times = new Map<string | null, number>()
      const pieces = cut.map((piece) => {
        const ids = piece.events.map((event) => eventId(source.name, event))
        for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1)
        return { digest: digest(piece), ids }
      })
      // Of an event that stands in several of them the last one counts, so they are read, in their order.
      const isAlone = (id: string | null) => id !== null && times.get(id) === 1 && !isWaiting(id)
      const isKnowable = (piece: { ids: (string | null)[] }): piece is Piece =>
        piece.ids.length > 0 && piece.ids.every(isAlone)
      const knowable = pieces.filter(isKnowable)
      const numbers = knowable.length === 0 ? [] : await storage.findPieces(opened, knowable)
      const found = new Map(knowable.map((piece, i) => [piece as object, numbers[i]!]))
      return pieces.map((piece) => ({ digest: piece.digest, numbers: found.get(piece) ?? null }))
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
