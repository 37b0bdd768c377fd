import { once } from 'node:events'
import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

interface Patience {
  /** How long it goes on accepting. */
  acceptMs: number
  /** How long a connection that says nothing is kept after that: what it has sent may not have been read. */
  idleMs: number
}

/** However many come, it stops listening. */
const MOST_TURNS = 1000

/**
 * Stops a server so that nobody who was accepted is cut off: answers say that their connection is closed after them, and
 * connections without a request are closed last. `server.close()` would close those at once, also the ones that were
 * accepted just now and whose request waits to be read.
 * @returns when all connections have ended
 */
export async function closeConnections(server: Server, { acceptMs, idleMs }: Patience): Promise<void> {
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false
  })
  await sleep(acceptMs)
  await acceptWaiting(server)
  const ended = once(server, 'close')
  NetServer.prototype.close.call(server)
  const idle = setTimeout(() => server.closeIdleConnections(), idleMs)
  await ended
  clearTimeout(idle)
}

async function acceptWaiting(server: Server): Promise<void> {
  let events = 0
  const count = () => events++
  server.on('connection', count).on('request', count)
  await untilNoneCome(() => events)
  server.off('connection', count).off('request', count)
}

/**
 * Those who wait to be accepted when a server stops listening are reset. In each turn of the event loop one is accepted;
 * and who is answered in a turn may be back before its end.
 * @param count of those that have come
 */
export async function untilNoneCome(count: () => number): Promise<void> {
  for (let turn = 0, before = -1; count() !== before && turn < MOST_TURNS; turn++) {
    before = count()
    await nextTurn()
  }
}
