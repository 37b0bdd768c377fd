import { describe, expect, it } from 'vitest'
import { FeedError } from '../../adapters/kit/errors.ts'
import { createXmlReader } from '../../adapters/kit/xml-reader.ts'

interface Read {
  opened: string[]
  raw: string[]
}

/** Reads a document in pieces of a size; `r` elements are taken as raw text. */
function read(document: string, size = document.length + 1): Read {
  const result: Read = { opened: [], raw: [] }
  const reader = createXmlReader({
    roots: ['feed'],
    open(name, attributes, depth) {
      result.opened.push(`${depth} ${name} ${JSON.stringify(attributes)}`)
      if (name === 'r') reader.markRaw()
    },
    close(name) {
      if (name === 'r') result.raw.push(reader.takeRaw())
    }
  })
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
    ['many end tags that match nothing', `<feed>${'<a>'.repeat(20)}${'</b>'.repeat(100_000)}`, 'malformed']
  ]
  for (const [name, document, reason] of refused) {
    it(`refuses ${name}: ${reason}`, () => {
      expect(reasonOf(document)).toBe(reason)
      expect(reasonOf(document, 1000)).toBe(reason)
    })
  }

  it('takes what is unusual and right', () => {
    expect(reasonOf('\ufeff<feed/>')).toBe('complete')
    expect(reasonOf('<?xml version="1.0"?><?pi x?><!-- c --><feed>]]&gt;</feed>  <!-- end --> ')).toBe('complete')
    expect(reasonOf('<feed __proto__="1" constructor="2" toString="3"/>')).toBe('complete')
    expect(reasonOf(`<feed><!-- c -->${' '.repeat(2_000_000)}<?pi?>${' '.repeat(2_000_000)}</feed>`)).toBe('complete')
    expect(reasonOf(`<feed><a><![CDATA[${'x'.repeat(3_000_000)}]]></a></feed>`)).toBe('complete')
    expect(reasonOf(`<feed>${'long text '.repeat(50_000)}</feed>`)).toBe('complete')
  })
})
