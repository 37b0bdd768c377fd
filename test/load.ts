import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

/** Between two requests of a client: it is not to find out how many there can be. */
const PAUSE_MS = 3

/** Of a connection that had not been answered on yet. */
export const RESET_AT_ONCE = 'ECONNRESET on a new connection'

export interface Client {
  requests: number
  /** What went wrong, in order. */
  failures: string[]
}

/** One GET. @returns undefined, or what was wrong with it. */
export function ask(url: string, agent: Agent | false): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent }, (response) => {
      response.on('error', (error) => resolve(error.message)).resume()
      response.on('end', () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`))
    })
    request.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      const isNew = code === 'ECONNRESET' && !request.reusedSocket
      resolve(isNew ? RESET_AT_ONCE : (code ?? message))
    })
  })
}

/**
 * Clients that each ask again shortly after they have an answer: some keep their connection, some take a new one each time.
 * They connect one after the other, and end with the test at the latest.
 */
export async function startLoad(url: string, { keeping = 0, connecting = 0 }) {
  let isOver = false
  onTestFinished(() => {
    isOver = true
  })
  const agents = [
    ...Array.from({ length: keeping }, () => new Agent({ keepAlive: true, maxSockets: 1 })),
    ...Array.from({ length: connecting }, () => false as const)
  ]
  const clients: Client[] = []
  const ends: Promise<void>[] = []
  async function keepAsking(agent: Agent | false, client: Client): Promise<void> {
    while (!isOver) {
      const failure = await ask(url, agent)
      client.requests++
      if (failure !== undefined) client.failures.push(failure)
      await sleep(PAUSE_MS)
    }
    if (agent) agent.destroy()
  }
  for (const agent of agents) {
    const first = await ask(url, agent)
    clients.push({ requests: 1, failures: first === undefined ? [] : [first] })
  }
  for (const [i, agent] of agents.entries()) ends.push(keepAsking(agent, clients[i]!))
  return {
    clients,
    async stop(): Promise<Client[]> {
      isOver = true
      await Promise.all(ends)
      return clients
    }
  }
}
