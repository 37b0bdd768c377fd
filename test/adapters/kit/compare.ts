import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { FeedError } from '../../../adapters/kit/errors.ts'
import { createXmlReader, XML_LIMITS, type XmlLimits } from '../../../adapters/kit/xml-reader.ts'
import { openEvent, readWithOracle, type XmlEvents } from './oracle.ts'

export const LIMITS = Value.Create(Type.Object(XML_LIMITS))
/** So that it is about the XML alone. */
const GENEROUS: XmlLimits = { ...LIMITS, max_depth: 1000, max_attributes: 1000, max_name: 65_536 }

/** What our reader reads, or why it refuses the document. */
export function readWithReader(document: string, root: string): { events?: XmlEvents; refused?: FeedError } {
  const events: XmlEvents = []
  try {
    const reader = createXmlReader(
      {
        roots: [root],
        open: (name, attributes) => events.push(openEvent(name, attributes)),
        close: (name) => events.push(['close', name])
      },
      GENEROUS
    )
    reader.write(document)
    reader.end()
    return { events }
  } catch (error) {
    if (error instanceof FeedError) return { refused: error }
    throw error
  }
}

export type Verdict = 'both accept' | 'both refuse' | 'wrongly accepted' | 'wrongly refused' | 'read differently'

/** How our reader's judgement of a document with that root compares with the oracle's. */
export function compareWithOracle(document: string, root: string): { verdict: Verdict; refused?: FeedError } {
  const expected = readWithOracle(document)
  const { events, refused } = readWithReader(document, root)
  if (expected === undefined) return { verdict: events === undefined ? 'both refuse' : 'wrongly accepted' }
  if (refused !== undefined) return { verdict: 'wrongly refused', refused }
  return { verdict: JSON.stringify(events) === JSON.stringify(expected) ? 'both accept' : 'read differently' }
}
