import type { Piece } from './contract.ts'

/** What a storage has of an event. */
export interface Known {
  /** Its internal number. */
  seq: number
  isListed: boolean
  piece: string | null
}

/** `Storage.findPieces`, over what the storage has of the events by their ids. */
export function findKnown(pieces: Piece[], find: (id: string) => Known | undefined): (number[] | null)[] {
  return pieces.map(({ digest, ids }) => {
    const numbers: number[] = []
    for (const id of ids) {
      const event = find(id)
      if (event === undefined || !event.isListed || event.piece !== digest) return null
      numbers.push(event.seq)
    }
    return new Set(numbers).size === numbers.length ? numbers : null
  })
}
