import net from 'node:net'
import { untilNoneCome } from './close-connections.ts'

interface Handle {
  onconnection(...args: unknown[]): void
  close(): void
}

export interface SharedListener {
  /** Takes all that wait to be accepted, and then listens no more; the workers go on with those that they have. */
  close(): Promise<void>
}

/**
 * What the primary of node:cluster listens with, for all workers. By itself that ends when the last worker has ended, and
 * resets whoever waits to be accepted then. It is given to nobody, so it is taken as it comes: this has to be called
 * before the first worker is started.
 */
export function findSharedListener(): SharedListener {
  let handle: Handle | undefined
  const { createServer } = net
  // The one server that node:cluster makes in this process is only to listen: it takes its handle and drops it.
  net.createServer = ((...args: Parameters<typeof createServer>) => {
    net.createServer = createServer
    const server = createServer(...args)
    server.once('listening', () => (handle = (server as unknown as { _handle: Handle })._handle))
    return server
  }) as typeof createServer
  return {
    async close() {
      if (handle === undefined) return
      let accepted = 0
      const { onconnection } = handle
      handle.onconnection = function (...args) {
        accepted++
        onconnection.apply(this, args)
      }
      await untilNoneCome(() => accepted)
      handle.close()
    }
  }
}
