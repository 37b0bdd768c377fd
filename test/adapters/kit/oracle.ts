import { SaxesParser } from 'saxes'

/** What was read, in order: `open` with the attributes by name, `close`. */
export type XmlEvents = unknown[]

/** What saxes reads; undefined when it refuses the document. Namespaces are nobody's concern here. */
export function readWithOracle(document: string): XmlEvents | undefined {
  const events: XmlEvents = []
  const parser = new SaxesParser({ xmlns: false })
  let isRefused = false
  parser.on('error', () => {
    isRefused = true
  })
  parser.on('opentag', ({ name, attributes }) => events.push(openEvent(name, attributes)))
  parser.on('closetag', ({ name }) => events.push(['close', name]))
  parser.write(document).close()
  return isRefused ? undefined : events
}

export function openEvent(name: string, attributes: Record<string, unknown>): unknown {
  return ['open', name, ...Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))]
}
