import { hash, timingSafeEqual } from 'node:crypto'
import fp from 'fastify-plugin'
import type { Position } from '../storage/kit/contract.ts'
import { invalidParameter } from './errors/problem.ts'

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

const MAC_BYTES = 16
const SCOPE_LENGTH = 12
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
    const sign = (payload: string, key: string) =>
      // Of this one nobody can go on from a former text, as with other bare hashes.
      hash('sha512-256', key + payload, 'buffer').subarray(0, MAC_BYTES)

    app.decorate('cursors', {
      async encode(position, scope, now = 0) {
        const payload = JSON.stringify([digest(scope), now, ...position])
        return Buffer.concat([sign(payload, await readSecret()), Buffer.from(payload)]).toString('base64url')
      },
      async decode(cursor, toScope, parameter = 'cursor') {
        const bytes = Buffer.from(cursor, 'base64url')
        const payload = bytes.toString('utf8', MAC_BYTES)
        const mac = bytes.subarray(0, MAC_BYTES)
        const isOurs =
          // One text a cursor: what was left out in decoding it was not ours.
          bytes.toString('base64url') === cursor &&
          mac.length === MAC_BYTES &&
          timingSafeEqual(mac, sign(payload, await readSecret()))
        if (!isOurs) throw invalidParameter(parameter, `${parameter} is not one of this service.`, NOT_OURS)
        const [scope, now, ...position] = JSON.parse(payload) as [string, number, ...string[]]
        if (scope !== digest(toScope(now))) {
          throw invalidParameter(parameter, `${parameter} belongs to another query.`, OF_ANOTHER)
        }
        return { position, now }
      }
    })
  },
  { name: 'cursors', dependencies: ['storage'] }
)

const digest = (scope: string) => hash('sha1', scope, 'base64url').slice(0, SCOPE_LENGTH)
