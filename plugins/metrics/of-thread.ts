import { randomUUID } from 'node:crypto'
import { BroadcastChannel } from 'node:worker_threads'
import type { Family } from './family.ts'
import { createLedger, type Snapshot } from './ledger.ts'

/** All threads of the process hear what is said on it. */
const CHANNEL = 'metrics'
/** A thread that does not answer by then is in the middle of something long. */
const PATIENCE_MS = 500

type Message = { ask: string } | { answer: string; snapshot: Snapshot }

/** In the thread: says what it has counted, whenever the other one asks. Until the function that it returns is called. */
export function answerMetrics(own: () => Promise<Family[]>): () => void {
  const instance = randomUUID()
  const channel = openChannel(async (message) => {
    if (!('ask' in message)) return
    const snapshot = { instance, families: await own() }
    channel.postMessage({ answer: message.ask, snapshot } satisfies Message)
  })
  return () => channel.close()
}

/** Asks the one thread that there is beside this one; when another one takes its place, what it had counted still counts. */
export function askThread(): () => Promise<Family[][]> {
  const ledger = createLedger()
  const waiting = new Map<string, (snapshot: Snapshot) => void>()
  let last: string | undefined
  const channel = openChannel((message) => {
    if ('answer' in message) waiting.get(message.answer)?.(message.snapshot)
  })
  return async () => {
    const id = randomUUID()
    const { promise, resolve } = Promise.withResolvers<Snapshot | undefined>()
    waiting.set(id, resolve)
    const deadline = setTimeout(() => resolve(undefined), PATIENCE_MS)
    channel.postMessage({ ask: id } satisfies Message)
    const answer = await promise
    clearTimeout(deadline)
    waiting.delete(id)
    ledger.note(answer === undefined ? [] : [answer])
    if (answer !== undefined && last !== undefined && last !== answer.instance) await ledger.end(last)
    last = answer?.instance ?? last
    return ledger.all()
  }
}

function openChannel(onMessage: (message: Message) => void): BroadcastChannel {
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = (event) => onMessage((event as unknown as { data: Message }).data)
  // It keeps nobody alive.
  channel.unref()
  return channel
}
