import type { Bitmap } from './bitmap.ts'
import type { Piece } from './contract.ts'

/** What a storage has of an event. */
export interface Known {
  /** Its internal number. */
  seq: number
  isListed: boolean
  piece: string | null
}

/** `Storage.meetPieces`, over what the storage has of the events by their ids. */
export function meetKnown(
  met: Bitmap,
  pieces: Piece[],
  find: (id: string) => Known | undefined
): { known: boolean[]; duplicates: number } {
  // Ids in unknown pieces, which are going to be written: what a later piece says of them counts, so it is written, too.
  const unknown = new Set<string>()
  let duplicates = 0
  const known = pieces.map(({ digest, ids }) => {
    const events = ids.map(find)
    const isKnown = events.every((event, i) => event?.isListed && event.piece === digest && !unknown.has(ids[i]!))
    for (const [i, event] of events.entries()) {
      if (!isKnown) unknown.add(ids[i]!)
      else if (met.has(event!.seq)) duplicates++
      else met.add(event!.seq)
    }
    return isKnown
  })
  return { known, duplicates }
}
