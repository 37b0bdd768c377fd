import cluster, { type Worker } from 'node:cluster'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import createError from '@fastify/error'
import type { Family } from './family.ts'
import { createLedger } from './ledger.ts'

/** A worker that does not answer by then is in the middle of something long. */
const PATIENCE_MS = 1000
/** The same of the primary, which itself waits for workers and for its thread. */
const PRIMARY_PATIENCE_MS = 3000

const NotCounted = createError('EVT_METRICS_UNAVAILABLE', 'The primary process does not answer.', 503)

/** What goes between the primary and its workers, under this key beside whatever else does. */
type Message =
  /** From a worker: what has the whole service counted? */
  | { askAll: string }
  | { all: string; families: Family[][] }
  /** From the primary: what have you counted? */
  | { ask: string }
  /** An answer to nobody is the last word of a worker that ends. */
  | { answer: string | null; families: Family[] }

/**
 * In the primary: whichever worker is asked, it answers for all of them.
 * @param others what the primary and its threads have counted
 */
export function relayMetrics(others: () => Promise<Family[][]>): void {
  const ledger = createLedger()
  const waiting = new Map<string, (instance: string) => void>()

  /** @returns instances of those that did */
  async function askWorkers(): Promise<string[]> {
    const asked = Object.values(cluster.workers ?? {}).filter((worker) => worker?.isConnected() === true)
    const answered: string[] = []
    const answers = asked.map(async (worker) => {
      const id = randomUUID()
      const { promise, resolve } = Promise.withResolvers<string>()
      waiting.set(id, resolve)
      sendTo(worker!, { ask: id })
      const instance = await Promise.race([promise, sleep(PATIENCE_MS, undefined, { ref: false })])
      waiting.delete(id)
      if (instance !== undefined) answered.push(instance)
    })
    await Promise.all(answers)
    return answered
  }
  cluster.on('message', async (worker, message) => {
    const metrics = readMessage(message)
    if (metrics === undefined) return
    if ('answer' in metrics) {
      const instance = String(worker.id)
      ledger.learn({ instance, families: metrics.families })
      if (metrics.answer !== null) waiting.get(metrics.answer)?.(instance)
    } else if ('askAll' in metrics) {
      const [answered, theirs] = await Promise.all([askWorkers(), others()])
      sendTo(worker, { all: metrics.askAll, families: [...ledger.all(answered), ...theirs] })
    }
  })
  cluster.on('exit', (worker) => void ledger.end(String(worker.id)))
}

export interface WorkerMetrics {
  /** What the whole service has counted. */
  askAll(): Promise<Family[][]>
  /** Says what there is to be counted, whenever the primary asks. */
  answer(own: () => Promise<Family[]>): void
  /** To be called when there is nothing left to count. */
  sayLast(): Promise<void>
}

/** In a worker. */
export function connectMetrics(): WorkerMetrics {
  const waiting = new Map<string, (families: Family[][]) => void>()
  let own: (() => Promise<Family[]>) | undefined
  let isAsked = false
  const say = async (answer: string | null) => {
    if (own !== undefined) send({ answer, families: await own() })
  }
  process.on('message', (message) => {
    const metrics = readMessage(message)
    if (metrics === undefined) return
    if ('ask' in metrics) {
      isAsked = true
      void say(metrics.ask)
    } else if ('all' in metrics) waiting.get(metrics.all)?.(metrics.families)
  })
  return {
    async askAll() {
      const id = randomUUID()
      const { promise, resolve } = Promise.withResolvers<Family[][]>()
      waiting.set(id, resolve)
      send({ askAll: id })
      const families = await Promise.race([promise, sleep(PRIMARY_PATIENCE_MS, undefined, { ref: false })])
      waiting.delete(id)
      // Without the others all counters would fall.
      if (families === undefined) throw new NotCounted()
      return families
    },
    answer: (how) => {
      own = how
    },
    async sayLast() {
      if (isAsked) await say(null)
    }
  }
}

function readMessage(message: unknown): Message | undefined {
  return (message as { metrics?: Message } | undefined)?.metrics
}

/** One that has just ended cannot be told. */
function sendTo(worker: Worker, metrics: Message): void {
  if (worker.isConnected()) worker.send({ metrics }, () => undefined)
}

function send(metrics: Message): void {
  if (process.connected) process.send!({ metrics }, undefined, undefined, () => undefined)
}
