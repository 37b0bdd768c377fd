import { readFileSync } from 'node:fs'
import { parse } from 'ini'
import type { ConfigProblem } from './load.ts'

type Sections = Map<string, Record<string, unknown>>

/** Sections of the file by name, `source.demo` for `[source.demo]`; what is wrong is added to `problems`. */
export function readFile(file: string, problems: ConfigProblem[]): Sections {
  let text = ''
  try {
    text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    problems.push({ section: 'file', key: file, message: `it cannot be read: ${(error as Error).message}` })
  }
  reportRepeated(text, problems)
  const { source: sources = {}, ...others } = parse(text)
  const sections: Sections = new Map()
  for (const [name, values] of Object.entries(others)) {
    if (typeof values === 'object') sections.set(name, values)
    else problems.push({ section: '(none)', key: name, message: explainOutside(name) })
  }
  // The parser makes [source.demo] an object `demo` in `source`.
  for (const [name, values] of Object.entries(sources)) {
    if (typeof values === 'object') sections.set(`source.${name}`, values as Record<string, unknown>)
    else problems.push({ section: 'source', key: name, message: "a source's section is [source.NAME]" })
  }
  return sections
}

/** The parser lets the last one win. */
function reportRepeated(text: string, problems: ConfigProblem[]): void {
  const seen = new Set<string>()
  let section = ''
  for (const line of text.split('\n')) {
    section = /^\[(.*)\]/.exec(line)?.[1] ?? section
    const key = /^\s*([^;#[=\s][^=]*?)\s*=/.exec(line)?.[1]
    if (key === undefined) continue
    if (seen.has(`${section}/${key}`)) problems.push({ section, key, message: 'it is given more than once' })
    seen.add(`${section}/${key}`)
  }
}

function explainOutside(name: string): string {
  if (name.startsWith('[')) return 'a [section] stands at the very start of its line'
  return 'it stands before the first [section]'
}
