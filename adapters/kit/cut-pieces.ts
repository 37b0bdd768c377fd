/** A stretch of text, with whether it looks like one whole element of the name in question. */
export interface Stretch {
  text: string
  isPiece: boolean
}

export interface PieceCutter {
  /** All that is certain by now. Together the stretches are the text. */
  cut(text: string): Stretch[]
  /** What is left. */
  rest(): string
}

/** An element that is longer than this is not cut out. */
const LONGEST = 65_536

/**
 * Cuts text at the tags of elements of one name, which do not hold one another. It does not understand XML, so what looks
 * like an element may be a comment: a piece is only a good guess.
 */
export function createPieceCutter(name: string): PieceCutter {
  const start = `<${name} `
  const end = `</${name}>`
  let rest = ''

  function cut(text: string): Stretch[] {
    const stretches: Stretch[] = []
    const all = rest + text
    let at = 0
    let to = 0
    const take = (until: number, isPiece: boolean) => {
      if (until > at) stretches.push({ text: all.slice(at, until), isPiece })
      at = until
    }
    for (;;) {
      const from = all.indexOf(start, at)
      if (from === -1) break
      take(from, false)
      // Looked for once, however many elements begin before it.
      if (to !== -1 && to <= from) to = all.indexOf(end, from)
      if (to === -1 && all.length - from <= LONGEST) {
        rest = all.slice(from)
        return stretches
      }
      const isCut = to !== -1 && to - from <= LONGEST
      take(isCut ? to + end.length : from + start.length, isCut)
    }
    // A start tag may be cut in two here.
    take(Math.max(at, all.length - start.length + 1), false)
    rest = all.slice(at)
    return stretches
  }
  return {
    cut,
    rest() {
      const last = rest
      rest = ''
      return last
    }
  }
}
