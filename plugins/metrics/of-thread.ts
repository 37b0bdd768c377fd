import { randomUUID } from 'node:crypto'
import { BroadcastChannel } from 'node:worker_threads'
import type { Family } from './family.ts'
import { createLedger, type Snapshot } from './ledger.ts'

/** All threads of the process hear what is said on it. */
const CHANNEL = 'metrics'
/** A thread that does not answer by then is in the middle of something long. */
const PATIENCE_MS = 1000

/** An answer to nobody is the last word of a thread that ends. */
type Message = { ask: string } | { answer: string | null; snapshot: Snapshot }

/**
 * In the thread: says what it has counted, whenever the other one asks.
 * @returns what to call when it ends
 */
export function answerMetrics(own: () => Promise<Family[]>): () => Promise<void> {
  const instance = randomUUID()
  let isAsked = false
  const say = async (answer: string | null) => {
    const snapshot = { instance, families: await own() }
    channel.postMessage({ answer, snapshot } satisfies Message)
  }
  const channel = openChannel((message) => {
    if (!('ask' in message)) return
    isAsked = true
    void say(message.ask)
  })
  return async () => {
    if (isAsked) await say(null)
    channel.close()
  }
}

/** Asks the one thread that there is beside this one; when another one takes its place, what it had counted still counts. */
export function askThread(): () => Promise<Family[][]> {
  const ledger = createLedger()
  const waiting = new Map<string, (instance: string) => void>()
  let last: string | undefined
  const channel = openChannel((message) => {
    if (!('answer' in message)) return
    const { answer, snapshot } = message
    ledger.learn(snapshot)
    if (last !== undefined && last !== snapshot.instance) void ledger.end(last)
    last = snapshot.instance
    if (answer !== null) waiting.get(answer)?.(last)
  })
  return async () => {
    const id = randomUUID()
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    waiting.set(id, resolve)
    const deadline = setTimeout(() => resolve(undefined), PATIENCE_MS)
    channel.postMessage({ ask: id } satisfies Message)
    const answered = await promise
    clearTimeout(deadline)
    waiting.delete(id)
    return ledger.all(answered === undefined ? [] : [answered])
  }
}

function openChannel(onMessage: (message: Message) => void): BroadcastChannel {
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = (event) => onMessage((event as unknown as { data: Message }).data)
  // It keeps nobody alive.
  channel.unref()
  return channel
}
