import { hash, timingSafeEqual } from 'node:crypto'
import { deflateSync, inflateSync } from 'node:zlib'
import fp from 'fastify-plugin'
import type { Position } from '../storage/kit/contract.ts'
import { invalidParameter } from './errors/problem.ts'
import { digest } from './kit/digest.ts'

declare module 'fastify' {
  interface FastifyInstance {
    cursors: Cursors
  }
}

export interface Cursors {
  /**
   * @param scope the query that it belongs to, as a text that is the same for the same query
   * @param now milliseconds since 1970: what "now" means on all its pages
   */
  encode(position: Position, scope: string, now?: number): Promise<string>
  /** @throws an error (400, `invalid_parameter`) for whatever this service did not give, or gave to another query */
  decode(
    cursor: string,
    toScope: (now: number) => string,
    parameter?: string
  ): Promise<{ position: Position; now: number }>
}

/** Of base64url: 16 bytes, and 4 bits. */
const MAC_LENGTH = 22
/** Of JSON, in characters: as long or longer, it is deflated. */
const LONG = 1000
/** The first byte of what `deflateSync` makes, with its default window. */
const DEFLATED = 0x78
const NOT_OURS = 'the page.next_cursor of an answer of this service; leave it out to start afresh'
const OF_ANOTHER = 'the cursor of an answer to the same query; leave it out to start afresh'

/**
 * Where to go on in a list: a position, bound to its query and signed with a secret of the storage, so that every process
 * on it takes what another one gave, and none takes what was made up.
 */
export default fp(
  async (app) => {
    let secret: Promise<string> | undefined
    function readSecret(): Promise<string> {
      if (secret === undefined) {
        secret = app.storage.secret()
        // A failure is for who asked.
        secret.catch(() => (secret = undefined))
      }
      return secret
    }
    const sign = (bytes: Buffer, key: string) =>
      // Cut, so that nobody can go on from it to that of a longer text, as from a whole one.
      hash('sha256', Buffer.concat([Buffer.from(key), bytes]), 'base64url').slice(0, MAC_LENGTH)

    app.decorate('cursors', {
      async encode(position, scope, now = 0) {
        const bytes = pack(JSON.stringify([digest(scope), now, ...position]))
        return sign(bytes, await readSecret()) + bytes.toString('base64url')
      },
      async decode(cursor, toScope, parameter = 'cursor') {
        const mac = cursor.slice(0, MAC_LENGTH)
        const text = cursor.slice(MAC_LENGTH)
        const bytes = Buffer.from(text, 'base64url')
        const isOurs =
          // One text a cursor: what was left out in decoding it was not ours.
          bytes.toString('base64url') === text && isEqual(mac, sign(bytes, await readSecret()))
        if (!isOurs) throw invalidParameter(parameter, `${parameter} is not one of this service.`, NOT_OURS)
        const [scope, now, ...position] = JSON.parse(unpack(bytes)) as [string, number, ...string[]]
        if (scope !== digest(toScope(now))) {
          throw invalidParameter(parameter, `${parameter} belongs to another query.`, OF_ANOTHER)
        }
        return { position, now }
      }
    })
  },
  { name: 'cursors', dependencies: ['storage'] }
)

/** Changes on MongoDB are a number for each source: without this, some 150 of them would be longer than a parameter may be. */
function pack(payload: string): Buffer {
  return payload.length < LONG ? Buffer.from(payload) : deflateSync(payload)
}

/** Only of bytes that are ours. JSON does not begin as what is deflated does. */
function unpack(bytes: Buffer): string {
  return (bytes[0] === DEFLATED ? inflateSync(bytes) : bytes).toString()
}

/** In a time that says nothing about either. */
function isEqual(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)]
  return one.length === other.length && timingSafeEqual(one, other)
}
