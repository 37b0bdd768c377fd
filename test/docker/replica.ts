import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { takePort } from '../take-port.ts'

export interface Replica {
  address: string
  port: number
  isReady: boolean
  /** Milliseconds before it answers. */
  delay: number
  /** Of requests, without those that ask how it is. */
  seen: IncomingMessage[]
  /** Says nothing more: what is under way is reset. */
  kill(): Promise<void>
}

/** Stands for one container of the API, at an address of its own. */
export async function startReplica(address: string, port?: number): Promise<Replica> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/livez') return response.end()
    if (request.url === '/readyz') return response.writeHead(replica.isReady ? 200 : 503).end()
    replica.seen.push(request)
    if (request.url === '/drop') return request.socket.destroy()
    await sleep(replica.delay)
    return response.end(address)
  }
  const server = createServer((request, response) => void answer(request, response))
  const replica: Replica = {
    address,
    port: port ?? (await takePort()),
    isReady: true,
    delay: 0,
    seen: [],
    async kill() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    }
  }
  server.listen(replica.port, address)
  await once(server, 'listening')
  return replica
}
