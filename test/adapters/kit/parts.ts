/** The parts of an XML document that is well-formed, or nearly. */
export interface Parts {
  /** All before the root element, without the DOCTYPE. */
  prolog: string
  doctype: string
  /** From the root element to the end. */
  rest: string
  /** The name of the root element. */
  root: string
}

export function takeApart(document: string): Parts {
  const parts: Parts = { prolog: '', doctype: '', rest: document.replace(/^\uFEFF/, ''), root: '' }
  for (;;) {
    const misc = /^(?:\s+|<!--[\s\S]*?-->|<\?[\s\S]*?\?>)+/.exec(parts.rest)?.[0]
    const doctype = misc === undefined ? doctypeOf(parts.rest) : undefined
    const part = misc ?? doctype
    if (part === undefined) break
    if (doctype === undefined) parts.prolog += part
    else parts.doctype += part
    parts.rest = parts.rest.slice(part.length)
  }
  parts.root = /^<([^\s/>]*)/.exec(parts.rest)?.[1] ?? ''
  return parts
}

/** Quotes, comments and instructions in it may hold what looks like its end. */
function doctypeOf(text: string): string | undefined {
  const piece = `"[^"]*"|'[^']*'|<!--[\\s\\S]*?-->|<\\?[\\s\\S]*?\\?>`
  return new RegExp(`^<!DOCTYPE(?:${piece}|[^"'[>])*(?:\\[(?:${piece}|[^"'\\]])*\\]\\s*)?>`).exec(text)?.[0]
}
