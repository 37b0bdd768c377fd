import cluster, { type Worker } from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyBaseLogger } from 'fastify'
import { backoff } from './backoff.ts'
import { closeWhatWasNotTaken } from './lost-connections.ts'
import { findSharedListener } from './shared-listener.ts'
import { createWatchdog } from './watchdog.ts'

export interface SupervisedWorkers {
  /** @returns where they listen, once the first one does; until then it is the only one. */
  start(): Promise<string>
  /**
   * Replaces them one after the other, with `settings` as they are now: a new one listens before an old one ends.
   * @returns whether all were; at the first one that does not start, the others stay as they are
   */
  replaceAll(): Promise<boolean>
  /** Something that all who run now are to know. */
  tell(message: object): void
  /** Asks them to end what they are doing, and waits until they have. */
  stop(): Promise<void>
  /** Whatever they are doing. */
  kill(): void
}

/** A worker that has lived this long starts with a clean record. */
const HEALTHY_MS = 60_000

/** How often a worker says that it goes on, and how long it may be silent. */
const ALIVE_MS = 1000
const SILENT_MS = 15_000

/** How long one that is to take over has to listen: longer than a storage is waited for. */
const START_MS = 60_000

/** How long one that is replaced has to answer what it was asked. */
const DRAIN_MS = 30_000

interface SuperviseOptions {
  /** How many, and what each one that starts next is told first. */
  settings(): { count: number; first: object }
  log: FastifyBaseLogger
  /** None serves, and one has ended of its own accord before it did: another one would fare no better. */
  onHopeless(code: number): void
  /** How long after they are told to stop they still accept, at least, in milliseconds. */
  closeMs: number
  /** For tests. */
  silentMs?: number
  startMs?: number
}

/** One process that answers requests. */
interface Member {
  worker: Worker
  /** Where it listens; undefined when it ended before it did. */
  listening: Promise<string | undefined>
  isListening: boolean
  ended: Promise<{ code: number | null; signal: string | null }>
}

/** Where there is always to be one; which one changes. */
interface Place {
  member: Member
  /** Nobody is to follow. */
  isClosed: boolean
}

/**
 * Keeps as many processes running as are wanted: one that dies, or that hangs, is replaced after a growing pause. A worker
 * has to call `reportAlive` and `reportListening`, to stop gracefully at the messages `stop` and `drain` (which has more
 * time), and when it is disconnected.
 */
export function superviseWorkers(file: URL, options: SuperviseOptions): SupervisedWorkers {
  const { settings, log, onHopeless, closeMs, silentMs = SILENT_MS, startMs = START_MS } = options
  cluster.setupPrimary({ exec: fileURLToPath(file) })
  const listener = findSharedListener()
  const stopping = new AbortController()
  const members = new Set<Member>()
  const places: Place[] = []
  const firstOrigin = Promise.withResolvers<string>()

  function launch(): Member {
    const worker = cluster.fork()
    const watchdog = createWatchdog(silentMs, () => {
      log.error({ worker: worker.id, silent_ms: silentMs }, 'a worker does not answer: it hangs in something')
      worker.process.kill('SIGKILL')
    })
    closeWhatWasNotTaken(worker)
    const ended = new Promise<Awaited<Member['ended']>>((resolve) => {
      worker.once('exit', (code, signal) => resolve({ code, signal }))
      worker.on('error', (error) => {
        log.error({ err: error, worker: worker.id }, 'a worker failed')
        // There is no process that could exit.
        if (worker.process.pid === undefined) resolve({ code: null, signal: null })
      })
    })
    const listening = new Promise<string | undefined>((resolve) => {
      worker.on('message', (message) => {
        watchdog.pat()
        if (message.origin === undefined) return
        log.info({ worker: worker.id, worker_pid: worker.process.pid }, 'a worker answers requests')
        member.isListening = true
        firstOrigin.resolve(message.origin)
        resolve(message.origin)
      })
      void ended.then(() => resolve(undefined))
    })
    const member: Member = { worker, listening, isListening: false, ended }
    members.add(member)
    void ended.then(() => {
      watchdog.stop()
      members.delete(member)
    })
    send(member, settings().first)
    return member
  }

  function send({ worker }: Member, message: object | string): void {
    // One that has just died cannot be told; whoever waits for its end hears of it.
    if (worker.isConnected()) worker.send(message, () => undefined)
  }

  function open(): void {
    const place: Place = { member: launch(), isClosed: false }
    places.push(place)
    void keepServing(place)
  }

  async function keepServing(place: Place): Promise<void> {
    for (let failures = 0; ; ) {
      const { member } = place
      const started = performance.now()
      const { code, signal } = await member.ended
      if (stopping.signal.aborted || place.isClosed) return
      if (place.member !== member) continue
      const isOwnAccord = !member.isListening && (code === 1 || code === 2)
      if (isOwnAccord && ![...members].some(({ isListening }) => isListening)) return onHopeless(code)
      failures = performance.now() - started > HEALTHY_MS ? 0 : failures + 1
      const ms = backoff(failures)
      log.error({ worker: member.worker.id, code, signal, retry_ms: ms }, 'a worker ended; starting another one')
      await sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted || place.isClosed) return
      if (place.member === member) place.member = launch()
    }
  }

  async function drain(member: Member): Promise<void> {
    send(member, 'drain')
    const deadline = setTimeout(() => member.worker.process.kill('SIGKILL'), DRAIN_MS)
    await member.ended
    clearTimeout(deadline)
  }

  return {
    async start() {
      open()
      const origin = await firstOrigin.promise
      while (!stopping.signal.aborted && places.length < settings().count) open()
      return origin
    },
    async replaceAll() {
      const { count } = settings()
      for (const place of places.slice(0, count)) {
        if (stopping.signal.aborted) return false
        const next = launch()
        const started = await Promise.race([next.listening, sleep(startMs, undefined, { ref: false })])
        if (started === undefined) {
          next.worker.process.kill('SIGKILL')
          return false
        }
        const old = place.member
        place.member = next
        await drain(old)
      }
      if (stopping.signal.aborted) return false
      while (places.length < count) open()
      for (const place of places.splice(count)) {
        place.isClosed = true
        await drain(place.member)
      }
      return true
    },
    tell(message) {
      for (const member of members) send(member, message)
    },
    async stop() {
      stopping.abort()
      for (const member of members) send(member, 'stop')
      // Before they do: what they have not been handed by then nobody would answer.
      await sleep(closeMs)
      await listener.close()
      await Promise.all([...members].map(({ ended }) => ended))
    },
    kill() {
      for (const { worker } of members) worker.process.kill('SIGKILL')
    }
  }
}

/** In a worker: tells its supervisor that it goes on. */
export function reportAlive(): void {
  send('alive')
  setInterval(() => send('alive'), ALIVE_MS).unref()
}

/** In a worker: tells its supervisor where it listens. */
export function reportListening(origin: string): void {
  send({ origin })
}

function send(message: object | string): void {
  // The supervisor may be gone, which the worker hears of elsewhere.
  if (process.connected) process.send!(message, undefined, undefined, () => undefined)
}
