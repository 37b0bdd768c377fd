import { FeedError } from './errors.ts'

/** What stands between tags and is no text: comments, CDATA sections, instructions and declarations. */
export interface Construct {
  opener: string
  end: string
  /** Whether its source text is kept until its end, for `check`. It may not be longer than `max_field` then. */
  kept: boolean
  /** @throws FeedError when it must not stand in that place, or is not as XML wants it. */
  check(place: Place, source: string): void
}

export interface Place {
  /** Whether nothing stands before it. */
  isFirst: boolean
  root: 'to come' | 'open' | 'closed'
}

const BLANK = '[ \\t\\r\\n]'
const NAME_START =
  ':A-Z_a-z\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C\\u200D\\u2070-\\u218F\\u2C00-\\u2FEF' +
  '\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}'
const NAME = `[${NAME_START}][${NAME_START}\\-.0-9\\xB7\\u0300-\\u036F\\u203F\\u2040]*`
const INSTRUCTION = new RegExp(`^<\\?(${NAME})(?:${BLANK}|\\?>$)`, 'u')
const EQUALS = `${BLANK}*=${BLANK}*`
const XML_DECLARATION = new RegExp(
  `^<\\?xml${BLANK}+version${EQUALS}(?:"1\\.0"|'1\\.0')(?:${BLANK}+encoding${EQUALS}(["'])[A-Za-z][\\w.-]*\\1)?` +
    `(?:${BLANK}+standalone${EQUALS}(["'])(?:yes|no)\\2)?${BLANK}*\\?>$`
)

/** The first one whose opener fits is it. */
const CONSTRUCTS: Construct[] = [
  {
    opener: '<!--',
    end: '-->',
    kept: true,
    check(_place, source) {
      if (source.indexOf('--', 4) < source.length - 3) throw malformed('there is a "--" in a comment')
    }
  },
  {
    opener: '<![CDATA[',
    end: ']]>',
    kept: false,
    check({ root }) {
      if (root !== 'open') throw malformed('a CDATA section stands outside of the root element')
    }
  },
  {
    opener: '<?',
    end: '?>',
    kept: true,
    check({ isFirst }, source) {
      const target = INSTRUCTION.exec(source)?.[1]
      if (target === undefined) throw malformed('a processing instruction has no name')
      if (target.toLowerCase() !== 'xml') return
      if (!isFirst) throw malformed('an XML declaration does not stand at the start')
      if (!XML_DECLARATION.test(source)) throw malformed('the XML declaration is not one of XML 1.0')
    }
  },
  {
    opener: '<!',
    end: '>',
    kept: true,
    check({ root }, source) {
      if (!/^<!doctype\b/i.test(source) || root !== 'to come') throw malformed('a declaration stands where none may be')
      if (/^<!doctype\s+html\b/i.test(source))
        throw new FeedError('not_a_feed', 'this is not a feed: it is an HTML page')
      throw new FeedError('doctype', 'the document has a DOCTYPE, which is refused whatever it says')
    }
  }
]

/** The construct whose opener, `<?` or `<!` at least, begins there. */
export function findConstruct(text: string, at: number): Construct {
  return CONSTRUCTS.find(({ opener }) => text.startsWith(opener, at))!
}

/**
 * The end of a text that may be the beginning of an opener, or of one of the ends. What can only be told with the next
 * piece of the document is to be kept for it.
 */
export function findUndecided(text: string): number {
  const rest = text.slice(-'<![CDATA['.length)
  const at = rest.search(/(?:<(?:[?/]|!(?:-{1,3}|\[[A-Z]*)?)?|\]{1,2}|-{1,2}|\?)$/)
  return at === -1 ? text.length : text.length - rest.length + at
}

export function malformed(what: string): FeedError {
  return new FeedError('malformed', `malformed: ${what}`)
}
