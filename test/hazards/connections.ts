import dns, { type LookupAddress } from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net, { type LookupFunction } from 'node:net'

export interface WatchedConnections extends Disposable {
  /** `address:port` of every attempt to connect, in the order in which they were made. */
  attempts: string[]
}

interface Options {
  /** What names resolve to, each time anew. Others cannot be resolved. */
  names: Record<string, () => string[]>
  /** Addresses that are public; connections to them end up on loopback. */
  standIns: string[]
}

/** Watches, below all that the service does, where connections really go, and says what names resolve to. */
export function watchConnections({ names, standIns }: Options): WatchedConnections {
  const original = { connect: net.Socket.prototype.connect, lookup: dns.lookup }
  const attempts: string[] = []

  dns.lookup = ((name: string, _options: object, callback: (error: Error | null, found?: LookupAddress[]) => void) => {
    const found = names[name]?.().map((address) => ({ address, family: net.isIP(address) }))
    if (found === undefined) callback(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }))
    else callback(null, found)
  }) as unknown as typeof dns.lookup

  net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
    this.on('connectionAttempt', (address, port) => attempts.push(`${address}:${port}`))
    const options = [args[0]].flat()[0] as { lookup?: LookupFunction }
    const { lookup } = options
    if (lookup !== undefined) options.lookup = standIn(lookup, standIns)
    return original.connect.apply(this, args as never)
  } as typeof net.Socket.prototype.connect
  syncBuiltinESMExports()

  return {
    attempts,
    [Symbol.dispose]() {
      dns.lookup = original.lookup
      net.Socket.prototype.connect = original.connect
      syncBuiltinESMExports()
    }
  }
}

function standIn(lookup: LookupFunction, standIns: string[]): LookupFunction {
  const replace = (address: string) => (standIns.includes(address) ? '127.0.0.1' : address)
  return (name, options, callback) =>
    lookup(name, options, (error, address, family) => {
      if (typeof address === 'string') callback(error, replace(address), family)
      else
        callback(
          error,
          address.map((one) => ({ ...one, address: replace(one.address) }))
        )
    })
}
