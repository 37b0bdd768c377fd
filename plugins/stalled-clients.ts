import type { Socket } from 'node:net'
import fp from 'fastify-plugin'

export interface StalledClientsOptions {
  /** How long nothing may move. */
  patienceMs?: number
  /** How often those are looked for that have not taken all that was sent: by so much later they may be cut off. */
  lookMs?: number
}

/**
 * Cuts off clients that stop reading what they asked for. The server's `connectionTimeout` would do the same with a timer that
 * is set anew for each request, each read and each write of everybody.
 */
export default fp<StalledClientsOptions>(
  async (app, { patienceMs = 60_000, lookMs = 5000 }) => {
    const sockets = new Set<Socket>()
    app.server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    const timer = setInterval(() => {
      for (const socket of sockets) {
        // As long as anything moves node begins anew, and with the next request it takes this back.
        if (socket.writableLength > 0 && !socket.timeout) socket.setTimeout(patienceMs)
      }
    }, lookMs).unref()
    app.addHook('onClose', async () => clearInterval(timer))
  },
  { name: 'stalled-clients' }
)
