import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'

export interface StalledClientsOptions {
  /** Milliseconds in which nothing may move. If anything did after the last write, node counts once more. */
  patienceMs?: number
  /** How often those are looked for that have not taken all that was sent: by so much later they may be cut off. */
  lookMs?: number
}

/** Of all servers: for `localhost` there is one for each address, of which Fastify shows the first. */
const ACCEPTED = 'net.server.socket'

/**
 * Cuts off clients that stop reading what they asked for, within two minutes. The server's `connectionTimeout` would do the same
 * with a timer that is set anew for each request, each read and each write of everybody.
 */
export default fp<StalledClientsOptions>(
  async (app, { patienceMs = 55_000, lookMs = 5000 }) => {
    const sockets = new Set<Socket>()
    function watch(message: unknown): void {
      const { socket } = message as { socket: Socket }
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    subscribe(ACCEPTED, watch)
    const timer = setInterval(() => {
      for (const socket of sockets) {
        // It starts again whenever something is taken, and ends with the answer: then the socket waits for the next request.
        // `http.Server` itself closes a socket whose time is up.
        if (socket.writableLength > 0 && !socket.timeout) socket.setTimeout(patienceMs)
      }
    }, lookMs).unref()
    app.addHook('onClose', async () => {
      clearInterval(timer)
      unsubscribe(ACCEPTED, watch)
    })
  },
  { name: 'stalled-clients' }
)
