import type { Serializable } from 'node:child_process'
import type { Worker } from 'node:cluster'

interface Handle {
  close(): void
}

/**
 * The primary hands each connection to a worker and closes its own end when the worker says that it has it. Of a worker that
 * dies before it says so, or hangs until it is ended, node:cluster forgets the connection, and the client waits for ever; with this it
 * is reset and can try again. One is on its way to a worker at a time.
 */
export function closeWhatWasNotTaken(worker: Worker): void {
  const child = worker.process
  const send = child.send.bind(child) as (...args: unknown[]) => boolean
  let last: Handle | undefined
  child.send = (message: Serializable, handle?: unknown, ...rest: unknown[]) => {
    if ((message as { act?: string }).act === 'newconn') last = handle as Handle
    return send(message, handle, ...rest)
  }
  worker.once('exit', () => {
    // What a worker that left of its own accord did not take has gone to another one. To close twice does nothing.
    if (!worker.exitedAfterDisconnect) last?.close()
  })
}
