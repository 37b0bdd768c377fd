import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Answer, Script } from './answer.ts'
import { inTurn } from './scripts.ts'

/** When a document was last changed, in seconds: HTTP has nothing finer. */
export interface Version {
  body: string
  modified: Date
}

/**
 * What a good server does: 304 to whoever has the current document, by its ETag, or, where that was not sent, by its
 * date. Each can be left out, as servers do.
 */
export function honest(
  current: (request: IncomingMessage) => Version,
  { etag: hasEtag = true, lastModified: hasDate = true } = {}
): Script {
  return (request) => {
    const { body, modified } = current(request)
    const etag = `"${hash('sha256', body).slice(0, 16)}"`
    const headers = {
      ...(hasEtag ? { etag } : {}),
      ...(hasDate ? { 'last-modified': modified.toUTCString() } : {})
    }
    const { 'if-none-match': match, 'if-modified-since': since } = request.headers
    const isSameTag = hasEtag && match === etag
    const isSameDate = hasDate && match === undefined && since !== undefined && Date.parse(since) >= modified.getTime()
    return isSameTag || isSameDate ? { status: 304, headers } : { headers, body }
  }
}

const DATE = 'Tue, 01 May 2035 10:00:00 GMT'
const VALIDATORS = { etag: '"same"', 'last-modified': DATE }
const isConditional = ({ headers }: IncomingMessage) =>
  headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined

/** The ways in which servers lie. `next` gives the document of each request, changed or not. */
export const lying = {
  /** Nothing has ever changed, it says, whatever has. */
  always304: (next: () => string): Script => {
    return (request) => (isConditional(request) ? { status: 304, headers: VALIDATORS } : give(VALIDATORS, next()))
  },
  /** 304 even to who did not ask for it. */
  unasked304: (): Script => () => ({ status: 304, headers: VALIDATORS }),
  /** All is new every time, and is the same. */
  changedEtagSameBody: (body: string): Script => {
    let requests = 0
    return () => give({ etag: `"v${++requests}"` }, body)
  },
  /** What it sends has changed under the same ETag. */
  sameEtagChangedBody: (next: () => string): Script => {
    return () => give(VALIDATORS, next())
  },
  /** A 304 that has a body, which is not even the one that was promised. */
  body304: (next: () => string): Script => {
    return (request) =>
      isConditional(request) ? { status: 304, headers: VALIDATORS, body: next() } : give(VALIDATORS, next())
  },
  /** It sends validators once, then never again. */
  stopsSending: (next: () => string): Script => {
    return inTurn({ script: () => give(VALIDATORS, next()) }, { script: () => give({}, next()) })
  }
}

function give(headers: Record<string, string>, body: string): Answer {
  return { headers, body }
}
