import { readFileSync } from 'node:fs'
import { parse } from 'ini'
import type { ConfigProblem } from './load.ts'

/** Sections of the file by name, `source.demo` for `[source.demo]`; what is wrong is added to `problems`. */
export function readFile(file: string, problems: ConfigProblem[]): Map<string, Record<string, unknown>> {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    problems.push({ section: 'file', key: file, message: `it cannot be read: ${(error as Error).message}` })
  }
  const sections = new Map<string, Record<string, unknown>>()
  for (const [name, value] of Object.entries(parse(text, { bracketedArray: false }))) {
    if (name === 'source' && typeof value === 'object') {
      // The parser makes [source.demo] an object `demo` in `source`.
      for (const [source, values] of Object.entries(value as object)) sections.set(`source.${source}`, values)
    } else if (typeof value === 'object' && value !== null) {
      sections.set(name, value as Record<string, unknown>)
    } else {
      const isSection = name.startsWith('[')
      const message = isSection
        ? 'a [section] stands at the very start of its line'
        : 'it stands before the first [section]'
      problems.push({ section: '(none)', key: name, message })
    }
  }
  return sections
}
