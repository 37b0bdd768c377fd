import { Type } from '@sinclair/typebox'

const Header = (description: string, example: string) => Type.String({ description, examples: [example] })

export const LINK = {
  Link: Header(
    'RFC 8288: `first`, and `next` where another page follows; relative to the host',
    '</v1/api/events?limit=20>; rel="first"'
  )
}

/** Of what is made of the store's state. */
export const VALIDATORS = {
  ETag: Header('Weak, of the revision and the question: for `If-None-Match`', 'W/"1s-2fK0q9cV3Qx1Zb8d"'),
  'Last-Modified': Header(
    'When this state was first seen, once that is sure: for `If-Modified-Since`. Not where what is asked goes by the time',
    'Sat, 28 Nov 2026 09:30:00 GMT'
  ),
  'Cache-Control': Header('How long caches may answer by themselves', 'public, max-age=5, stale-while-revalidate=30'),
  Vary: Header('What else the answer depends on', 'Accept-Encoding')
}

/** With a limit per client. */
export const RATE_LIMITS = {
  'RateLimit-Limit': Type.Integer({ description: 'With `rate_limit`: requests that a client may send in a minute' }),
  'RateLimit-Remaining': Type.Integer({ description: 'Of them, those that are left' }),
  'RateLimit-Reset': Type.Integer({ description: 'Seconds until they are counted anew' })
}

export const RETRY_AFTER_HEADER = {
  'Retry-After': Type.Integer({ description: 'Seconds after which to try again', examples: [5] })
}

/** The client has it. */
export const NOT_MODIFIED = {
  304: Type.Null({
    description: 'The client has it already: `If-None-Match`, or `If-Modified-Since`',
    headers: { ...VALIDATORS }
  })
}
