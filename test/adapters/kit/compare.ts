import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { FeedError } from '../../../adapters/kit/errors.ts'
import { XML_LIMITS, type XmlLimits } from '../../../adapters/kit/xml-limits.ts'
import { createXmlReader } from '../../../adapters/kit/xml-reader.ts'
import { openEvent, readWithOracle, type XmlEvents } from './oracle.ts'

export const LIMITS = Value.Create(Type.Object(XML_LIMITS))
/** So that it is about the XML alone. */
const GENEROUS: XmlLimits = { ...LIMITS, max_depth: 1000, max_attributes: 1000, max_name: 65_536 }

/** What our reader reads, or why it refuses the document. */
export function readWithReader(document: string, root: string): { events?: XmlEvents; refusal?: FeedError } {
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
    if (error instanceof FeedError) return { refusal: error }
    throw error
  }
}

export interface Comparison {
  verdict: 'both accept' | 'both refuse' | 'wrongly accepted' | 'wrongly refused' | 'read differently'
  refusal?: FeedError | undefined
}

/** How our reader's judgement of a document with that root compares with the oracle's. */
export function compareWithOracle(document: string, root: string): Comparison {
  const expected = readWithOracle(document)
  const { events, refusal } = readWithReader(document, root)
  if (expected === undefined) return { verdict: events === undefined ? 'both refuse' : 'wrongly accepted' }
  if (refusal !== undefined) return { verdict: 'wrongly refused', refusal }
  return { verdict: JSON.stringify(events) === JSON.stringify(expected) ? 'both accept' : 'read differently' }
}
