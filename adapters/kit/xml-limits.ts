import { type Static, Type } from '@sinclair/typebox'
import { FeedError } from './errors.ts'

/** Options of every adapter that reads XML: what a document may not exceed. */
export const XML_LIMITS = {
  max_depth: limit(32, 1, 1000, 'How deep elements may be nested.'),
  max_attributes: limit(64, 1, 1000, 'Attributes that one element may have.'),
  max_name: limit(1000, 1, 65_536, 'Characters of the name of an element, an attribute or an entity.'),
  // sax goes no further.
  max_field: limit(65_536, 1, 65_536, 'Characters of the value of an attribute, of a comment or of an instruction.'),
  max_record: limit(1_048_576, 1000, 67_108_864, 'Characters of one record, markup included.')
}
const XmlLimits = Type.Object(XML_LIMITS)
export type XmlLimits = Static<typeof XmlLimits>

function limit(value: number, minimum: number, maximum: number, description: string) {
  const allowed = `a whole number from ${minimum} to ${maximum}`
  return Type.Integer({ default: value, minimum, maximum, description, allowed })
}

const EXCEEDED: Record<keyof XmlLimits, string> = {
  max_depth: 'elements are nested deeper',
  max_attributes: 'an element has more attributes',
  max_name: 'a name has more characters',
  max_field: 'a value, comment or instruction has more characters',
  max_record: 'a record has more characters'
}

/** Says which key to raise. */
export function exceeded(key: keyof XmlLimits, limits: XmlLimits): FeedError {
  return new FeedError('limits', `${EXCEEDED[key]} than ${limits[key]} (${key} of the source)`)
}
