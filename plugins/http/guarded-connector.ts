import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'
import { FeedError } from '../../adapters/kit/errors.ts'

/**
 * Connects, where private addresses are not allowed, to public ones alone. The check is made on the very address that
 * is connected to, so a name that resolves to something else a moment later gains nothing.
 */
export function createGuardedConnector({ allowPrivate }: { allowPrivate: boolean }): buildConnector.connector {
  if (allowPrivate) return buildConnector({ timeout: 10_000 })
  const connect = buildConnector({ timeout: 10_000, lookup: lookupPublic })
  return (options, callback) => {
    // `lookup` is not asked about addresses.
    const host = options.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) !== 0 && !isPublic(host)) return callback(refused(host), null)
    connect(options, callback)
  }
}

const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, [])
    const bad = addresses.find(({ address }) => !isPublic(address))
    if (bad !== undefined) return callback(refused(bad.address), [])
    if (options.all) callback(null, addresses)
    else callback(null, addresses[0]!.address, addresses[0]!.family)
  })
}

/** Everything that is not plainly public is refused, also what a table of ranges does not know. */
export function isPublic(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast'
}

function refused(address: string): FeedError {
  return new FeedError(
    'address',
    `the address ${address} is not public; to connect to it all the same, set allow_private = true beside its url`
  )
}
