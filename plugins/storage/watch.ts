import type { Storage } from '../../storage/kit/contract.ts'
import { isStorageFailure } from '../../storage/kit/errors.ts'

/** What can be out while the other is not: a full disk is still read. */
export type Access = 'reading' | 'writing'

type Operation = Exclude<keyof Storage, 'close'>

const OPERATIONS: Record<Operation, Access> = {
  find: 'reading',
  count: 'reading',
  stream: 'reading',
  get: 'reading',
  versions: 'reading',
  changes: 'reading',
  lastChange: 'reading',
  known: 'reading',
  revision: 'reading',
  secret: 'reading',
  run: 'reading',
  runs: 'reading',
  rejects: 'reading',
  sources: 'reading',
  snapshots: 'reading',
  readBody: 'reading',
  runTotals: 'reading',
  agenda: 'reading',
  paused: 'reading',
  command: 'reading',
  commands: 'reading',
  changeTotals: 'reading',
  countEvents: 'reading',
  alerts: 'reading',
  ping: 'reading',
  takeLease: 'writing',
  renewLease: 'writing',
  releaseLease: 'writing',
  addCommand: 'writing',
  beginCommand: 'writing',
  finishCommand: 'writing',
  saveAlerts: 'writing',
  openRun: 'writing',
  write: 'writing',
  meet: 'writing',
  findPieces: 'writing',
  writeRejects: 'writing',
  deleteRejects: 'writing',
  missing: 'writing',
  delist: 'writing',
  closeRun: 'writing',
  writeBody: 'writing',
  keepSnapshot: 'writing',
  prune: 'writing',
  migrate: 'writing'
}

export interface Call {
  operation: string
  access: Access
  /** How long the storage took. */
  seconds: number
  /** Why the storage could not do it. One that it did not do for another reason (a lost lease) it has answered. */
  failure: Error | undefined
}

/** The same storage; of every call to it is told once it is over. */
export function watchStorage(storage: Storage, onCall: (call: Call) => void): Storage {
  const watched: Record<string, unknown> = { close: () => storage.close() }
  for (const [operation, access] of Object.entries(OPERATIONS)) {
    const call = storage[operation as Operation].bind(storage) as (...args: unknown[]) => unknown
    const end = (seconds: number, error?: unknown) =>
      onCall({
        operation,
        access,
        seconds,
        failure: error !== undefined && isStorageFailure(error) ? error : undefined
      })
    watched[operation] = (...args: unknown[]) => {
      const started = performance.now()
      const result = call(...args)
      if (!(result instanceof Promise)) return watchItems(result as AsyncIterable<unknown>, end)
      const isOver = (error?: unknown) => end((performance.now() - started) / 1000, error)
      result.then(() => isOver(), isOver)
      return result
    }
  }
  return watched as unknown as Storage
}

/** What counts is how long items were waited for, not what became of them meanwhile. */
async function* watchItems<T>(items: AsyncIterable<T>, end: (seconds: number, error?: unknown) => void) {
  const iterator = items[Symbol.asyncIterator]()
  let waited = 0
  let failure: unknown
  try {
    for (;;) {
      const asked = performance.now()
      const next = await iterator.next().finally(() => (waited += performance.now() - asked))
      if (next.done) return
      yield next.value
    }
  } catch (error) {
    failure = error
    throw error
  } finally {
    end(waited / 1000, failure)
    await iterator.return?.()
  }
}
