import type { CutPiece, EventRecord, KnownPieces, SourceItem } from './contract.ts'
import type { PieceCutter } from './cut-pieces.ts'

/** How a document is cut into elements that hold events, which is only a guess until they are read. */
export interface Cut {
  /** Of such an element. */
  name: string
  cutter: PieceCutter
  /** Who the events in such an element seem to be. */
  guessEvents(text: string): CutPiece['events']
}

/** What reads such a document, piece by piece. */
export interface PieceReader {
  /** What was read; it grows with each `write`. */
  items: SourceItem[]
  write(text: string): void
  /** How many such elements came before, where another one of this name can begin; elsewhere undefined. */
  basesBefore(name: string): number | undefined
  /** Goes on after an element that is known, without reading it. */
  pass(text: string): void
}

/** Reads what is not known word for word. */
export async function readNew(reader: PieceReader, cut: Cut, text: string, pieces: KnownPieces): Promise<void> {
  const stretches = cut.cutter.cut(text)
  const guesses = stretches
    .filter(({ isPiece }) => isPiece)
    .map(({ text }) => ({ text, events: cut.guessEvents(text) }))
  const found = await pieces.find(guesses)
  // Of an event that stands there twice the last one counts: what comes after one that was read is to be read, too.
  const identify = ({ base_event_id, event_id }: Partial<EventRecord>) => `${base_event_id}\n${event_id}`
  const read = new Set<string>()
  let next = 0
  for (const { text, isPiece } of stretches) {
    const basesBefore = reader.basesBefore(cut.name)
    const guess = isPiece ? guesses[next] : undefined
    const piece = isPiece ? found[next++] : undefined
    // What looks like an element in a comment, say, is none.
    const isElement = piece !== undefined && basesBefore !== undefined
    if (isElement && piece.numbers !== null && !guess!.events.some((event) => read.has(identify(event)))) {
      reader.pass(text)
      pieces.pass(piece)
      continue
    }
    const itemsBefore = reader.items.length
    reader.write(text)
    const items = reader.items.slice(itemsBefore)
    for (const { record } of items) if (record !== undefined) read.add(identify(record))
    const isWhole =
      isElement && reader.basesBefore(cut.name) === basesBefore + 1 && items.length === guess!.events.length
    if (isWhole) for (const item of items) item.piece = piece.digest
  }
}
