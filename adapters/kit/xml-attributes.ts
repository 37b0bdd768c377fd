import { malformed } from './xml-constructs.ts'

export type Attributes = Record<string, string | undefined>

/** Those of XML itself. */
export const ENTITIES = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"]
])

/** The value of an attribute from what stands between its quotes. References in it must be right. */
export function readValue(quoted: string): string {
  if (quoted.includes('<')) throw malformed('there is a "<" in the value of an attribute')
  // XML 1.0, 3.3.3: blanks become spaces, unless they are written as numbers.
  return quoted.replaceAll(/\r\n|[\t\n\r]/g, ' ').replaceAll(/&(#x?)?(\w+);/g, (_, radix, name) => {
    if (radix === undefined) return ENTITIES.get(name)!
    return String.fromCodePoint(Number.parseInt(name, radix === '#' ? 10 : 16))
  })
}

/**
 * sax asks `attributes.hasOwnProperty(name)` before it sets one, and drops a second one of the same name without a
 * word. XML says that such a document is not well-formed. An attribute of just that name must not take its place, and
 * what other objects inherit is no attribute.
 */
export class GuardedAttributes {
  get hasOwnProperty() {
    return hasAttribute
  }
  set hasOwnProperty(_value) {}
}
Object.setPrototypeOf(GuardedAttributes.prototype, null)
Reflect.deleteProperty(GuardedAttributes.prototype, 'constructor')

function hasAttribute(this: object, name: string): boolean {
  if (Object.hasOwn(this, name)) throw twice(name)
  return false
}

export function twice(name: string): Error {
  return malformed(`the attribute ${name.slice(0, 100)} stands twice`)
}
