import { describe, expect, it } from 'vitest'
import { FeedError } from '../../adapters/kit/errors.ts'
import type { XmlLimits } from '../../adapters/kit/xml-limits.ts'
import { createXmlReader, type XmlHandlers } from '../../adapters/kit/xml-reader.ts'
import { LIMITS } from './kit/compare.ts'

interface Read {
  opened: string[]
  raw: string[]
}

/** Reads a document in pieces of a size; `r` elements are taken as raw text. */
function read(document: string, size = document.length + 1, { limits = LIMITS, roots = ['feed'] } = {}): Read {
  const result: Read = { opened: [], raw: [] }
  const handlers: XmlHandlers = {
    roots,
    open(name, attributes, depth) {
      result.opened.push(`${depth} ${name} ${JSON.stringify(attributes)}`)
      if (name === 'r') reader.markRaw()
    },
    close(name) {
      if (name === 'r') result.raw.push(reader.takeRaw())
    }
  }
  const reader = createXmlReader(handlers, limits)
  for (let i = 0; i < document.length; i += size) reader.write(document.slice(i, i + size))
  reader.end()
  return result
}

function reasonOf(document: string, size?: number): string {
  try {
    read(document, size)
  } catch (error) {
    if (error instanceof FeedError) return error.reason
    throw error
  }
  return 'complete'
}

describe('the XML reader', () => {
  it('reads the same in pieces of any size', () => {
    const document =
      '<?xml version="1.0"?>\n<!-- c --><feed a="&lt;1&amp;&#233;"><x/>text<r id="1"><z k=\'v\'/></r>\n' +
      '<r id="2" t="a &gt; b">\u00e9\u{1f3ad}<![CDATA[<r>]]></r ></feed>\n<!-- end -->'
    const whole = read(document)
    expect(whole.opened).toContain('1 feed {"a":"<1&é"}')
    expect(whole.raw).toEqual([
      '<r id="1"><z k=\'v\'/></r>',
      '<r id="2" t="a &gt; b">\u00e9\u{1f3ad}<![CDATA[<r>]]></r >'
    ])
    for (let size = 1; size < document.length; size++) expect(read(document, size)).toEqual(whole)
  })

  const refused: [string, string, string][] = [
    ['nothing', '', 'not_a_feed'],
    ['blanks', ' \n\t ', 'not_a_feed'],
    ['a lone prolog', '<?xml version="1.0"?>', 'not_a_feed'],
    ['a lone comment', '<!-- feed -->', 'not_a_feed'],
    ['JSON', '{"feed": []}', 'not_a_feed'],
    ['HTML', '<!DOCTYPE html><html><body>503</body></html>', 'not_a_feed'],
    ['XHTML', '<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', 'not_a_feed'],
    ['another root', '<other/>', 'not_a_feed'],
    ['binary', '\u0000\u0001\u0002', 'not_a_feed'],
    ['an end cut off', '<feed><r id="1"/>', 'truncated'],
    ['a tag cut off', '<feed><r id="1', 'truncated'],
    ['two roots', '<feed/><feed/>', 'malformed'],
    ['text after the root', '<feed/>x', 'malformed'],
    ['crossed tags', '<feed><a></feed></a>', 'malformed'],
    ['an attribute twice', '<feed a="1" a="2"/>', 'malformed'],
    ['no quotes', '<feed a=1/>', 'malformed'],
    ['a bare ampersand', '<feed a="a & b"/>', 'malformed'],
    ['an HTML entity', '<feed a="&eacute;"/>', 'malformed'],
    ['a control character', '<feed a="\u0007"/>', 'malformed'],
    ['NUL in text', '<feed>\u0000</feed>', 'malformed'],
    ['a name from Object.prototype, twice', '<feed hasOwnProperty="1" hasOwnProperty="2"/>', 'malformed'],
    ['a DOCTYPE', '<!DOCTYPE feed><feed/>', 'doctype'],
    ['external entities', '<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed>&x;</feed>', 'doctype'],
    ['a DOCTYPE without an end', `<!DOCTYPE feed [${'<!ENTITY a "aaaa">'.repeat(20_000)}`, 'doctype'],
    ['too deep', `<feed>${'<a>'.repeat(200_000)}`, 'limits'],
    ['too many attributes', `<feed ${Array.from({ length: 100_000 }, (_, i) => `a${i}="1"`).join(' ')}/>`, 'limits'],
    ['a long attribute', `<feed a="${'x'.repeat(5_000_000)}"/>`, 'limits'],
    ['a long name', `<${'x'.repeat(5_000_000)}/>`, 'limits'],
    ['a long name inside', `<feed><${'x'.repeat(5_000_000)}/></feed>`, 'limits'],
    ['a long comment', `<feed><!--${'x'.repeat(5_000_000)}--></feed>`, 'limits'],
    ['a long record', `<feed><r>${'<z/>'.repeat(400_000)}</r></feed>`, 'limits'],
    ['blanks before the XML declaration', ' <?xml version="1.0"?><feed/>', 'malformed'],
    ['a second XML declaration', '<?xml version="1.0"?><?xml version="1.0"?><feed/>', 'malformed'],
    ['an XML declaration inside', '<feed><?xml version="1.0"?></feed>', 'malformed'],
    ['an instruction named XML', '<feed><?XmL x?></feed>', 'malformed'],
    ['an XML declaration without a version', '<?xml encoding="utf-8"?><feed/>', 'malformed'],
    ['XML 1.1', '<?xml version="1.1"?><feed/>', 'malformed'],
    ['an instruction without a name', '<feed><? x?></feed>', 'malformed'],
    ['an instruction with a bad name', '<feed><?a?b?></feed>', 'malformed'],
    ['an instruction without an end', '<feed><?a </feed>', 'truncated'],
    ['two marks', '<?xml version="1.0"?>\ufeff<feed/>', 'not_a_feed'],
    ['a comment with two hyphens', '<feed><!-- a -- b --></feed>', 'malformed'],
    ['a comment that ends with three', '<feed><!-- a ---></feed>', 'malformed'],
    ['a comment without an end', '<feed/><!-- a -', 'truncated'],
    ['a comment in a tag', '<feed <!-- a --> a="1"/>', 'malformed'],
    ['a comment after a blank', '<feed>< !-- a --></feed>', 'malformed'],
    ['a declaration inside', '<feed><!ELEMENT a></feed>', 'malformed'],
    ['a DOCTYPE after the root', '<feed/><!DOCTYPE feed>', 'malformed'],
    ['CDATA after the root', '<feed/><![CDATA[x]]>', 'malformed'],
    ['CDATA before the root', '<![CDATA[]]><feed/>', 'malformed'],
    ['CDATA without an end', '<feed><![CDATA[</feed>', 'truncated'],
    ['small cdata', '<feed><![cdata[x]]></feed>', 'malformed'],
    ['"]]>" in text', '<feed>a ]]> b</feed>', 'malformed'],
    ['"<" in an attribute', '<feed a="a < b"/>', 'malformed'],
    ['"<!--" in an attribute', '<feed a="<!-- a -->"/>', 'malformed'],
    ['"<" and "&lt;" in an attribute', '<feed a="&lt;b<"/>', 'malformed'],
    ['a blank before a name', '<feed>< a/></feed>', 'malformed'],
    ['a blank before the name of an end tag', '<feed></ feed>', 'malformed'],
    ['a blank before a slash', '<feed>< /feed>', 'malformed'],
    ['an entity in capitals', '<feed a="&AMP;"/>', 'malformed'],
    ['a number with a capital X', '<feed>&#X41;</feed>', 'malformed'],
    ['a number that is no character', '<feed>&#0;</feed>', 'malformed'],
    ['a number of half a pair', '<feed a="&#xD83C;"/>', 'malformed'],
    ['a number beyond Unicode', '<feed>&#x110000;</feed>', 'malformed'],
    ['an entity outside of the root', '<feed/>&amp;', 'malformed'],
    ['an end tag with attributes', '<feed></feed a="1">', 'malformed'],
    ['attributes without a blank between them', '<feed a="1"b="2"/>', 'malformed'],
    ['a form feed as a blank', '<feed><a\u000Cb="1"/></feed>', 'malformed'],
    ['a blank of another kind', '<feed\u00A0a="1"/>', 'malformed'],
    ['__proto__ twice', '<feed __proto__="1" __proto__="2"/>', 'malformed'],
    ['many end tags that match nothing', `<feed>${'<a>'.repeat(20)}${'</b>'.repeat(100_000)}`, 'malformed']
  ]
  for (const [name, document, reason] of refused) {
    it(`refuses ${name}: ${reason}`, () => {
      expect(reasonOf(document)).toBe(reason)
      expect(reasonOf(document, 1000)).toBe(reason)
      if (document.length < 1000) expect(reasonOf(document, 1)).toBe(reason)
    })
  }

  it('says where, and what limit to raise', () => {
    const messageOf = (document: string): string => {
      try {
        read(document)
      } catch (error) {
        return (error as Error).message
      }
      return ''
    }
    expect(messageOf('<feed>\n<!-- a\nb --><a b="<"/></feed>')).toBe(
      'malformed: there is a "<" in the value of an attribute, line 3, column 13'
    )
    expect(messageOf('<feed>\n<a 🎭="1"/></feed>')).toBe('malformed: Invalid attribute name, line 2, column 4')
    expect(messageOf('<a/>')).toBe('this is not a feed: the root element is <a>')
    expect(messageOf('<feed>'.repeat(33))).toBe('elements are nested deeper than 32 (max_depth of the source)')
  })

  const limited: [keyof XmlLimits, number, string, string][] = [
    ['max_depth', 3, '<feed><a><b/></a></feed>', '<feed><a><b><c/></b></a></feed>'],
    ['max_attributes', 2, '<feed a="" b=""/>', '<feed a="" b="" c=""/>'],
    ['max_name', 5, '<feeds/>', '<feeds2/>'],
    ['max_name', 5, '<feed abcde=""/>', '<feed abcdef=""/>'],
    ['max_name', 5, '<feed>&#065;</feed>', '<feed>&#00065;</feed>'],
    ['max_field', 12, '<feed a="123456789012"/>', '<feed a="1234567890123"/>'],
    ['max_field', 12, '<feed a="&amp;23456789012"/>', '<feed a="&amp;234567890123"/>'],
    ['max_field', 12, '<feed><!--12345--></feed>', '<feed><!--123456--></feed>'],
    ['max_field', 12, '<feed><?a 123456?></feed>', '<feed><?a 1234567?></feed>'],
    ['max_record', 20, '<feed><r><z/>123456789</r></feed>', '<feed><r><z/>1234567890</r></feed>'],
    ['max_record', 20, '<feed><!--123456789012345--></feed>', '<feed><r><!--1234567--></r></feed>'],
    ['max_record', 20, '<feed><a b="12345678901"/></feed>', '<feed><a b="123456789012"/></feed>'],
    ['max_record', 20, '<feed></feed             >', '<feed></feed              >']
  ]
  for (const [key, value, within, beyond] of limited) {
    it(`holds to ${key}, to the character: ${within}`, () => {
      const limits = { ...LIMITS, [key]: value }
      const roots = ['feed', 'feeds', 'feeds2']
      for (let size = 1; size <= beyond.length; size++) {
        expect(() => read(within, size, { limits, roots })).not.toThrow()
        const message = new RegExp(` than ${value} \\(${key} of the source\\)$`)
        expect(() => read(beyond, size, { limits, roots })).toThrow(message)
        // A fault behind it, or none, or no end: it is the limit all the same.
        expect(() => read(`${beyond}<`, size, { limits, roots })).toThrow(message)
      }
    })
  }

  it('goes on after elements that it is told to pass over, and knows where it is', () => {
    const closed: string[] = []
    const reader = createXmlReader({ roots: ['feed'], open() {}, close: (name) => closed.push(name) }, LIMITS)
    reader.write('<feed>\n<a')
    expect(reader.openElements()).toBeUndefined()
    reader.write('/>')
    expect(reader.openElements()).toBe(1)
    reader.pass('<b>\n</b>')
    reader.write('<c/>')
    expect(closed).toEqual(['a', 'c'])
    expect(() => reader.write('<d></e>')).toThrow(/line 3, column 15$/)
  })

  it('stays broken', () => {
    const reader = createXmlReader({ roots: ['feed'], open() {}, close() {} }, LIMITS)
    expect(() => reader.write('<feed><a></b>')).toThrow(/malformed/)
    expect(() => reader.write('</a></feed>')).toThrow(/malformed/)
    expect(() => reader.end()).toThrow(/malformed/)
  })

  it('lets through what its user throws', () => {
    const fault = new TypeError('a fault of the adapter')
    const open = () => {
      throw fault
    }
    const reader = createXmlReader({ roots: ['feed'], open, close() {} }, LIMITS)
    expect(() => reader.write('<feed/>')).toThrow(fault)
  })

  it('takes what is unusual and right', () => {
    expect(reasonOf('\ufeff<feed/>')).toBe('complete')
    expect(reasonOf('<?xml version="1.0"?><?pi x?><!-- c --><feed>]]&gt;</feed>  <!-- end --> ')).toBe('complete')
    expect(read('<feed __proto__="1" hasOwnProperty="&#9;2" constructor="\t3" toString="4"/>').opened).toEqual([
      '1 feed {"__proto__":"1","constructor":" 3","toString":"4","hasOwnProperty":"\\t2"}'
    ])
    expect(read('<feed><?a b??><a/><?c d?></feed>').opened).toEqual(['1 feed {}', '2 a {}'])
    expect(read('<feed a="\r\n\t&#10;&#xD;&lt;&amp;lt;\'" b=\'"]]>&quot;\n\'/>').opened).toEqual([
      `1 feed {"a":"  \\n\\r<&lt;'","b":"\\"]]>\\" "}`
    ])
    expect(reasonOf('<feed>]]&gt; ]] ><!----><![CDATA[]]]]><![CDATA[>]]>]]<!-- -->></feed><!-- - -->')).toBe('complete')
    expect(reasonOf("<?xml\tversion = '1.0'\nencoding='utf-8' standalone\r\n=\"no\" ?><feed/>")).toBe('complete')
    expect(reasonOf('<feed>\u0085\u007F\u009F\uFFFD\uE000\u{10FFFF}</feed>')).toBe('complete')
    expect(reasonOf('<feed><ñ:é·-.9 _:="1"></ñ:é·-.9 ></feed >')).toBe('complete')
    expect(reasonOf(`<feed><!-- c -->${' '.repeat(2_000_000)}<?pi?>${' '.repeat(2_000_000)}</feed>`)).toBe('complete')
    expect(reasonOf(`<feed><a><![CDATA[${'x'.repeat(3_000_000)}]]></a></feed>`)).toBe('complete')
    expect(reasonOf(`<feed>${'long text '.repeat(50_000)}</feed>`)).toBe('complete')
  })
})
