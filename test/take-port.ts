import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

// Below what Linux (32768), macOS and Windows (49152) give to connections and to who listens at port 0: between being
// taken here and being listened at, nobody else gets such a port from the system.
const FIRST = 20_000
const COUNT = 12_000

/**
 * A TCP port of 127.0.0.1 that nothing listens at, and that no other test gets, in no process, as long as this one
 * lives: whoever has the UDP port of the same number has it.
 */
export async function takePort(): Promise<number> {
  const start = Math.floor(Math.random() * COUNT)
  for (let i = 0; i < COUNT; i++) {
    const port = FIRST + ((start + i) % COUNT)
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
  throw new Error(`No port from ${FIRST} to ${FIRST + COUNT - 1} is free: see what listens there (ss -lntu)`)
}

async function bind<S extends Socket | Server>(socket: S, port: number): Promise<S | undefined> {
  const bound = once(socket, 'listening')
  if ('bind' in socket) socket.bind({ port, address: '127.0.0.1', exclusive: true })
  else socket.listen({ port, host: '127.0.0.1', exclusive: true })
  try {
    await bound
    return socket
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return undefined
  }
}
