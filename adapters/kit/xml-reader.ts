import sax, { type SAXOptions, type SAXParser } from 'sax'
import { FeedError } from './errors.ts'

/** What a document may not exceed. sax has no such limits, or loses them. */
export const LIMITS = {
  depth: 32,
  attributes: 64,
  /** Characters of one name or attribute value. */
  field: 65_536,
  /** Characters of one record, markup included. */
  record: 1_048_576
}

const SLICE = 65_536
/** sax's state between tags. */
const { TEXT } = (sax as unknown as { STATE: Record<string, number> }).STATE
// sax lets these through; XML does not allow them, and they have no place in a store.
const FORBIDDEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/

export type Attributes = Record<string, string | undefined>

export interface XmlHandlers {
  /** Names of the root elements that make a document a feed. */
  roots: readonly string[]
  open(name: string, attributes: Attributes, depth: number): void
  close(name: string, depth: number): void
}

/**
 * Reads XML as it comes, and is sure of it: `end()` returns only after one whole, well-formed document with one of the
 * expected roots. Everything else throws `FeedError` and leaves the reader unusable. Attributes are all it reads; text
 * is checked and dropped.
 */
export interface XmlReader {
  write(text: string): void
  end(): void
  /** How many elements are open where nothing else is: no tag, comment or anything like it. Otherwise undefined. */
  openElements(): number | undefined
  /** Goes on after `text` without reading it: whole elements that are known to be well-formed, where some are open. */
  pass(text: string): void
  /** The source text from the start tag of the element that is being opened; it is kept until `takeRaw`. */
  markRaw(): void
  /** The source text from the mark up to the end of the tag that is being handled. */
  takeRaw(): string
}

export function createXmlReader(handlers: XmlHandlers): XmlReader {
  // Two things that its types do not know of.
  const options: SAXOptions & { strictEntities: boolean } = { position: true, strictEntities: true }
  const parser = sax.parser(true, options) as SAXParser & { doctype: string | boolean; state: number }
  let depth = 0
  let root: string | undefined
  let attributes = 0
  // The source text that is still needed: of the slice being read, and `kept` of those before it.
  let slice = ''
  let sliceStart = 0
  let kept = ''
  let mark: number | undefined
  let lastTagEnd = 0

  parser.onerror = (error) => {
    throw explain(error, root)
  }
  parser.ondoctype = (doctype) => {
    throw refuseDoctype(doctype)
  }
  parser.onopentagstart = (tag) => {
    if (root === undefined) {
      root = tag.name
      if (!handlers.roots.includes(root)) throw notAFeed(`the root element is <${root.slice(0, 100)}>`)
    } else if (depth === 0) {
      throw new FeedError('malformed', `a second root element <${tag.name.slice(0, 100)}>`)
    }
    attributes = 0
    tag.attributes = new GuardedAttributes() as Record<string, string>
  }
  parser.onattribute = ({ name, value }) => {
    attributes++
    if (attributes > LIMITS.attributes) throw exceeded(`an element has more than ${LIMITS.attributes} attributes`)
    if (name.length > LIMITS.field || value.length > LIMITS.field) {
      throw exceeded(`an attribute is longer than ${LIMITS.field} characters`)
    }
    // XML makes spaces of them (3.3.3); sax does not.
    if (/[\t\n\r]/.test(value)) parser.tag.attributes[name] = value.replaceAll(/\r\n|[\t\n\r]/g, ' ')
  }
  parser.onopentag = (tag) => {
    depth++
    if (depth > LIMITS.depth) throw exceeded(`elements are nested more than ${LIMITS.depth} deep`)
    handlers.open(tag.name, tag.attributes as Attributes, depth)
    lastTagEnd = parser.position
  }
  parser.onclosetag = (name) => {
    handlers.close(name, depth)
    depth--
    lastTagEnd = parser.position
  }

  function writeSlice(text: string): void {
    slice = text
    try {
      parser.write(text)
    } catch (error) {
      throw error instanceof FeedError ? error : new FeedError('malformed', `malformed: ${(error as Error).message}`)
    }
    // A DOCTYPE that does not end in this slice switches sax's buffer guard off: refuse it before it grows.
    if (parser.doctype) throw refuseDoctype(parser.doctype)
    const sliceEnd = sliceStart + text.length
    kept = cut(mark ?? openTag() ?? sliceEnd, sliceEnd)
    sliceStart = sliceEnd
    if (kept.length > LIMITS.record) throw exceeded(`one record is longer than ${LIMITS.record} characters`)
  }
  /** Where the tag begins that the slice breaks off in, if it does. */
  function openTag(): number | undefined {
    const start = parser.startTagPosition - 1
    if (start < lastTagEnd || start < sliceStart - kept.length) return undefined
    // sax sets the position for comments, declarations and instructions, too; what follows one is no part of it.
    return /^<[!?]/.test(cut(start, start + 2)) ? undefined : start
  }
  /** The source text between two positions, which must not lie before what is kept. */
  function cut(from: number, to: number): string {
    if (from >= sliceStart) return slice.slice(from - sliceStart, to - sliceStart)
    return kept.slice(from - sliceStart + kept.length) + slice.slice(0, to - sliceStart)
  }

  return {
    write(text) {
      const forbidden = FORBIDDEN.exec(text)
      const sound = forbidden === null ? text : text.slice(0, forbidden.index)
      for (let i = 0; i < sound.length; i += SLICE) writeSlice(sound.slice(i, i + SLICE))
      if (forbidden === null) return
      if (root === undefined) throw notAFeed('it is not text')
      const code = forbidden[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
      throw new FeedError(
        'malformed',
        `malformed: the character U+${code} is not allowed in XML, line ${parser.line + 1}`
      )
    },
    end() {
      if (root === undefined) throw notAFeed('there is no element in it')
      if (depth > 0) throw new FeedError('truncated', `the document ends inside <${parser.tag?.name ?? root}>`)
      try {
        parser.close()
      } catch (error) {
        throw error instanceof FeedError ? error : new FeedError('malformed', `malformed: ${(error as Error).message}`)
      }
    },
    openElements: () => (parser.state === TEXT ? depth : undefined),
    pass(text) {
      for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) parser.line++
    },
    markRaw() {
      mark = parser.startTagPosition - 1
    },
    takeRaw() {
      const raw = cut(mark!, parser.position)
      mark = undefined
      return raw
    }
  }
}

/**
 * sax asks `attributes.hasOwnProperty(name)` before it sets one, and drops a second one of the same name without a
 * word. XML says that such a document is not well-formed. (An attribute of just that name makes sax throw a TypeError; it
 * is refused, too.)
 */
class GuardedAttributes {
  hasOwnProperty(name: string): boolean {
    if (Object.hasOwn(this, name)) throw new FeedError('malformed', `the attribute ${name.slice(0, 100)} stands twice`)
    return false
  }
}

function explain(error: Error, root: string | undefined): FeedError {
  const message = error.message.replaceAll('\n', ', ').slice(0, 300)
  if (message.startsWith('Max buffer length')) return exceeded(`one piece of markup is longer than ${SLICE} characters`)
  if (root === undefined) return notAFeed(message)
  return new FeedError('malformed', `malformed: ${message}`)
}

function refuseDoctype(doctype: string | boolean): FeedError {
  if (/^\s*html\b/i.test(String(doctype))) return notAFeed('it is an HTML page')
  return new FeedError('doctype', 'the document has a DOCTYPE, which is refused whatever it says')
}

function notAFeed(what: string): FeedError {
  return new FeedError('not_a_feed', `this is not a feed: ${what}`)
}

function exceeded(what: string): FeedError {
  return new FeedError('limits', `${what}, which is the limit`)
}
