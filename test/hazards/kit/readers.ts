import { Agent, get } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Readers {
  answered: number
  /** Requests that were not answered: what became of them, and the port that they came from. */
  failures: { what: string; port: number | undefined }[]
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
      const { what, port } = await ask(url, agent)
      if (what === 'refused') break
      if (what === 'answered') {
        readers.answered++
        readers.latencies.push(performance.now() - started)
      } else readers.failures.push({ what, port })
    }
    agent.destroy()
  }
  const all = Array.from({ length: clients }, (_, i) => readOn(new Agent({ keepAlive: i % 2 === 0, maxSockets: 1 })))
  readers.done = Promise.all(all)
  return readers
}

async function ask(url: string, agent: Agent): Promise<Readers['failures'][number]> {
  let isKept = false
  let port: number | undefined
  try {
    const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const request = get(url, { agent }, (response) => {
        text(response).then((body) => resolve({ status: response.statusCode!, body }), reject)
      })
      request.on('error', reject)
      request.on('socket', (socket) => {
        isKept = request.reusedSocket
        port = socket.localPort
        if (isKept) return
        socket.once('connect', () => {
          port = socket.localPort
        })
      })
    })
    JSON.parse(answer.body)
    return { what: answer.status === 200 ? 'answered' : `status ${answer.status}`, port }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    return { what: code === 'ECONNREFUSED' ? 'refused' : `${code} on a ${isKept ? 'kept' : 'new'} connection`, port }
  }
}
