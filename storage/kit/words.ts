/** Letters without case and accents, so that "Canción" and "CANCION" are one: what is searched, and what is searched for. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  // Upper case first: "ß" becomes "SS", and "ς" is found as "σ".
  return text
    .normalize('NFKD')
    .replaceAll(MARKS, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll(MARKS, '')
}

/** The folded words of a text, each once, in the order in which they first come: runs of letters and digits. */
export function toWords(text: string): string[] {
  return [...new Set(fold(text).match(WORD) ?? [])]
}

/** What titles are sorted by, in the order of its UTF-8 bytes: the first characters of the folded title. */
export function titleKey(title: string): string {
  // What is longer would not fit into an index. By whole characters: half of one cannot be kept.
  return [...fold(title).trim().slice(0, KEY_LENGTH)].filter((character) => !LONE.test(character)).join('')
}

const ASCII = /^[\0-\x7f]*$/
const MARKS = /\p{M}+/gu
const WORD = /[\p{L}\p{N}]+/gu
const LONE = /^\p{Cs}$/u
const KEY_LENGTH = 100
