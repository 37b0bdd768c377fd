import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Below what Linux (32768), macOS and Windows (49152) give by default to connections, and to who listens at port 0:
 * between being taken here and being listened at, nobody gets such a port from the system.
 */
export const PORTS = { first: 20_000, count: 12_000 }

/**
 * A TCP port that nothing listens at on 127.0.0.1, and that no other test gets, in no process, as long as this one lives:
 * whoever has the UDP port of the same number has it.
 */
export async function takePort(): Promise<number> {
  const start = Math.floor(Math.random() * PORTS.count)
  for (let i = 0; i < PORTS.count; i++) {
    const port = PORTS.first + ((start + i) % PORTS.count)
    const claim = await bind(createSocket('udp4'), port)
    if (claim === undefined) continue
    const probe = await bind(createServer(), port)
    if (probe === undefined) {
      claim.close()
      continue
    }
    probe.close()
    await once(probe, 'close')
    claim.unref()
    return port
  }
  throw new Error(`None of the ${PORTS.count} ports from ${PORTS.first} on is free: see who has them (ss -lntup)`)
}

/** Taken, or kept by the system (Windows). */
const NOT_FREE = ['EADDRINUSE', 'EACCES']

async function bind<S extends Socket | Server>(socket: S, port: number): Promise<S | undefined> {
  const bound = once(socket, 'listening')
  if ('bind' in socket) socket.bind(port, '127.0.0.1')
  else socket.listen(port, '127.0.0.1')
  try {
    await bound
    return socket
  } catch (error) {
    socket.close()
    if (!NOT_FREE.includes((error as NodeJS.ErrnoException).code!)) throw error
    return undefined
  }
}
