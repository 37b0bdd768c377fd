import sax, { type SAXParser } from 'sax'
import { FeedError } from './errors.ts'
import { type Attributes, ENTITIES, GuardedAttributes, readValue, twice } from './xml-attributes.ts'
import { type Construct, findConstruct, findUndecided, malformed, type Place } from './xml-constructs.ts'
import { exceeded, type XmlLimits } from './xml-limits.ts'

/** sax looks at the length of what it holds once a piece. */
const SLICE = 65_536
/** sax lets these through; XML does not allow them, and they have no place in a store. */
const FORBIDDEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/
/** sax takes the first two in its own way, and lets the others through. */
const ODD = /<[?!]|<\/?[ \t\r\n]|\]\]>/g
/** What sax reads in another way than XML says. */
const ODD_VALUE = /[\t\n\r<]/

export interface XmlHandlers {
  /** Names of the root elements that make a document a feed. */
  roots: readonly string[]
  open(name: string, attributes: Attributes, depth: number): void
  close(name: string, depth: number): void
}

/**
 * Reads XML as it comes, and is sure of it: `end()` returns only after one whole, well-formed document with one of the
 * expected roots. Everything else throws `FeedError` and leaves the reader unusable. Attributes are all it reads; text
 * is checked and dropped. The pieces that a document comes in make no difference to what is read, nor to the reason.
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

/** What its types do not know of. Names, value and entity are those that it is in the middle of. */
type Parser = SAXParser &
  Record<'tagName' | 'attribName' | 'attribValue' | 'entity', string> & { state: number; tags: { name: string }[] }
const { TEXT, BEGIN_WHITESPACE } = (sax as unknown as { STATE: Record<'TEXT' | 'BEGIN_WHITESPACE', number> }).STATE

export function createXmlReader(handlers: XmlHandlers, limits: XmlLimits): XmlReader {
  const parser = sax.parser(true, { position: true }) as Parser
  let depth = 0
  let root: string | undefined
  let attributes = 0
  let ownProperty: string | undefined
  // The source text that is still needed: of the slice being read, and `kept` of those before it.
  let slice = ''
  let sliceStart = 0
  let kept = ''
  let undecided = ''
  let mark: number | undefined
  let lastTagEnd = 0
  let documentStart = 0
  let construct: { is: Construct; place: Place } | undefined
  let source = ''
  let failure: unknown

  // The byte order mark is taken off below; sax would take one anywhere before the first tag.
  parser.state = BEGIN_WHITESPACE
  parser.ENTITIES = new Proxy({}, { get: (_, name) => resolveEntity(String(name))! })
  // Each handler is one more property of sax's parser, which gets slow with a few more of them.
  parser.onerror = (error) => {
    const what = error.message.split('\n', 1)[0]!.slice(0, 200)
    throw root === undefined ? notAFeed(what) : malformed(what)
  }
  parser.onopentagstart = (tag) => {
    if (tag.name.length > limits.max_name) throw exceeded('max_name', limits)
    if (root === undefined) {
      root = tag.name
      if (!handlers.roots.includes(root)) throw notAFeed(`the root element is <${root.slice(0, 100)}>`)
    } else if (depth === 0) {
      throw malformed(`there is a second root element <${tag.name.slice(0, 100)}>`)
    }
    attributes = 0
    tag.attributes = new GuardedAttributes() as unknown as Record<string, string>
  }
  parser.onattribute = ({ name, value }) => {
    attributes++
    if (attributes > limits.max_attributes) throw exceeded('max_attributes', limits)
    if (name.length > limits.max_name) throw exceeded('max_name', limits)
    if (value.length > limits.max_field) throw exceeded('max_field', limits)
    const isOdd = ODD_VALUE.test(value)
    if (isOdd) parser.tag.attributes[name] = rereadValue()
    if (name !== 'hasOwnProperty') return
    if (ownProperty !== undefined) throw twice(name)
    ownProperty = isOdd ? rereadValue() : value
  }
  parser.onopentag = (tag) => {
    depth++
    if (depth > limits.max_depth) throw exceeded('max_depth', limits)
    endTag()
    if (ownProperty !== undefined) {
      Object.defineProperty(tag.attributes, 'hasOwnProperty', { value: ownProperty, enumerable: true })
      ownProperty = undefined
    }
    handlers.open(tag.name, tag.attributes as Attributes, depth)
  }
  parser.onclosetag = (name) => {
    endTag()
    handlers.close(name, depth)
    depth--
  }

  function endTag(): void {
    if (parser.position - parser.startTagPosition >= limits.max_record) throw exceeded('max_record', limits)
    lastTagEnd = parser.position
  }
  /** sax asks for the name of an entity or the number of a character, then for the same in lower case. */
  function resolveEntity(name: string): string | undefined {
    if (name !== parser.entity) return undefined
    if (name.length > limits.max_name) throw exceeded('max_name', limits)
    if (name.startsWith('#X')) throw malformed('the number of a character is written with a capital X')
    return ENTITIES.get(name)
  }
  /** The value of the attribute that ends here, from its source text. */
  function rereadValue(): string {
    const tag = cut(parser.startTagPosition - 1, parser.position)
    const quoted = tag.slice(tag.lastIndexOf(tag.at(-1)!, tag.length - 2) + 1, -1)
    return readValue(quoted)
  }

  /** Hands to sax what it reads as XML says, and reads the rest. */
  function read(text: string): void {
    let at = 0
    if (parser.position === 0 && text.startsWith('\uFEFF')) {
      advance('\uFEFF')
      documentStart = at = 1
    }
    while (at < text.length) {
      if (construct !== undefined) {
        at = readConstruct(construct, text, at)
        continue
      }
      ODD.lastIndex = at
      const odd = ODD.exec(text)
      const plain = text.slice(at, odd?.index)
      if (plain !== '') parser.write(plain)
      if (odd === null) return
      const [markup] = odd
      at = odd.index + markup.length
      if (markup === '<?' || markup === '<!') at = openConstruct(text, odd.index)
      else if (markup !== ']]>') throw malformed('there is a blank after a "<" or "</"')
      else if (parser.state === TEXT) throw malformed('there is a "]]>" in the text')
      else parser.write(markup)
    }
  }
  function openConstruct(text: string, at: number): number {
    if (parser.state !== TEXT && parser.state !== BEGIN_WHITESPACE) throw malformed('there is a "<" where none may be')
    const is = findConstruct(text, at)
    const place = root === undefined ? 'to come' : depth > 0 ? 'open' : 'closed'
    construct = { is, place: { root: place, isFirst: parser.position === documentStart } }
    source = is.opener
    advance(is.opener)
    return at + is.opener.length
  }
  function readConstruct({ is, place }: NonNullable<typeof construct>, text: string, from: number): number {
    const found = text.indexOf(is.end, from)
    const end = found === -1 ? text.length : found + is.end.length
    const read = text.slice(from, end)
    advance(read)
    if (is.kept) source += read
    if (source.length > limits.max_field) throw exceeded('max_field', limits)
    if (found !== -1) {
      is.check(place, source)
      source = ''
      construct = undefined
    }
    return end
  }
  /** Source text that sax does not get. */
  function advance(text: string): void {
    parser.position += text.length
    countLines(text)
  }
  function countLines(text: string): void {
    let start = 0
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', start)) {
      parser.line++
      start = at + 1
    }
    parser.column = (start === 0 ? parser.column : 0) + text.length - start
  }

  function write(text: string, decided = findUndecided(text)): void {
    undecided = text.slice(decided)
    slice = text.slice(0, decided)
    read(slice)
    const overrun = findOverrun()
    if (overrun !== undefined) throw overrun
    const sliceEnd = sliceStart + slice.length
    kept = cut(mark ?? openTag() ?? sliceEnd, sliceEnd)
    sliceStart = sliceEnd
  }
  /** What is too long already, before its end. */
  function findOverrun(): FeedError | undefined {
    const { tagName, attribName, attribValue, entity, position } = parser
    if (Math.max(tagName.length, attribName.length, entity.length) > limits.max_name)
      return exceeded('max_name', limits)
    if (Math.max(attribValue.length, source.length) > limits.max_field) return exceeded('max_field', limits)
    return position - (mark ?? openTag() ?? position) > limits.max_record ? exceeded('max_record', limits) : undefined
  }
  /** Where the tag begins that the parser is in, if it is in one. */
  function openTag(): number | undefined {
    const start = parser.startTagPosition - 1
    return start >= lastTagEnd ? start : undefined
  }
  /** The source text between two positions, which must not lie before what is kept. */
  function cut(from: number, to: number): string {
    if (from >= sliceStart) return slice.slice(from - sliceStart, to - sliceStart)
    return kept.slice(from - sliceStart + kept.length) + slice.slice(0, to - sliceStart)
  }
  /** What is too long is the reason, however much of it came before a fault in it was seen. */
  function guard(run: () => void): void {
    if (failure !== undefined) throw failure
    try {
      run()
    } catch (error) {
      failure = findOverrun() ?? locate(error)
      throw failure
    }
  }
  function locate(error: unknown): unknown {
    if (!(error instanceof FeedError) || error.reason !== 'malformed') return error
    return new FeedError('malformed', `${error.message}, line ${parser.line + 1}, column ${parser.column}`)
  }

  return {
    write: (text) =>
      guard(() => {
        const forbidden = FORBIDDEN.exec(text)
        const sound = forbidden === null ? text : text.slice(0, forbidden.index)
        for (let i = 0; i < sound.length; i += SLICE) write(undecided + sound.slice(i, i + SLICE))
        if (forbidden === null) return
        if (root === undefined) throw notAFeed('it is not text')
        const code = forbidden[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
        throw malformed(`the character U+${code} is not allowed in XML`)
      }),
    end: () =>
      guard(() => {
        write(undecided, undecided.length)
        if (root === undefined) throw notAFeed('there is no element in it')
        if (depth === 0 && construct === undefined && parser.state === TEXT) return
        const where = depth > 0 ? `<${parser.tags.at(-1)!.name}>` : 'markup'
        throw new FeedError('truncated', `the document ends inside ${where}`)
      }),
    openElements: () => (parser.state === TEXT && construct === undefined && undecided === '' ? depth : undefined),
    pass: countLines,
    markRaw() {
      mark = parser.startTagPosition - 1
    },
    takeRaw() {
      const raw = cut(mark!, parser.position)
      mark = undefined
      if (raw.length > limits.max_record) throw exceeded('max_record', limits)
      return raw
    }
  }
}

function notAFeed(what: string): FeedError {
  return new FeedError('not_a_feed', `this is not a feed: ${what}`)
}
