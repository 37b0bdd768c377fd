import { Agent, get } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Readers {
  answered: number
  /** What became of requests that were not answered, each once. */
  failures: string[]
  /** Milliseconds that each answer took. */
  latencies: number[]
  /** All have been refused, or have been told to stop. */
  done: Promise<unknown>
  stop(): void
}

/**
 * Clients that ask again as soon as they are answered, until nobody listens any more: half of them on a connection that
 * they keep, half on a new one each time.
 */
export function startReaders(url: string, clients: number): Readers {
  let isStopped = false
  const readers: Readers = {
    answered: 0,
    failures: [],
    latencies: [],
    done: Promise.resolve(),
    stop: () => {
      isStopped = true
    }
  }
  async function readOn(agent: Agent): Promise<void> {
    while (!isStopped) {
      const started = performance.now()
      const outcome = await ask(url, agent)
      if (outcome === 'refused') break
      if (outcome === 'answered') {
        readers.answered++
        readers.latencies.push(performance.now() - started)
      } else readers.failures.push(outcome)
    }
    agent.destroy()
  }
  const all = Array.from({ length: clients }, (_, i) => readOn(new Agent({ keepAlive: i % 2 === 0, maxSockets: 1 })))
  readers.done = Promise.all(all)
  return readers
}

async function ask(url: string, agent: Agent): Promise<string> {
  let isKept = false
  try {
    const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const request = get(url, { agent }, (response) => {
        text(response).then((body) => resolve({ status: response.statusCode!, body }), reject)
      })
      request.on('error', reject)
      request.on('socket', () => {
        isKept = request.reusedSocket
      })
    })
    JSON.parse(answer.body)
    return answer.status === 200 ? 'answered' : `status ${answer.status}`
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    return code === 'ECONNREFUSED' ? 'refused' : `${code} on a ${isKept ? 'kept' : 'new'} connection`
  }
}
