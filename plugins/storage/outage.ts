import type { FastifyBaseLogger } from 'fastify'
import { StorageUnusable } from '../../storage/kit/errors.ts'
import type { Access, Call } from './watch.ts'

/** While it lasts, it is said again after this. */
const REMIND_MS = 5 * 60_000
/** One that begins so soon after another is the same one, and is not said to begin. */
const SAME_MS = 60_000
/** After so long without a failure, whatever succeeds ends it: what failed may never be tried again. */
const FORGET_MS = 15 * 60_000

const ADVICE = 'It is tried again all the time: mend the storage, and leave this process alone'
const MEANING: Record<Access, string> = {
  reading: `the storage cannot be read: readers get 503, or a list from memory that says it is stale. ${ADVICE}`,
  writing: `the storage cannot be written: readers go on, nothing new is ingested until it can. ${ADVICE}`
}
const UNUSABLE = `the storage cannot be used until somebody mends it. ${ADVICE}`

export interface Outage {
  /** The end of a call. */
  note(call: Pick<Call, 'operation' | 'failure'>): void
  readonly isOut: boolean
}

/**
 * Knows whether the storage can be read, or written, from what becomes of calls, and says in the log when that begins and
 * when it is over. It is over when something succeeds that had failed: where a disk is full, small changes still find room.
 */
export function createOutage(access: Access, log: FastifyBaseLogger, now = () => performance.now()): Outage {
  const failed = new Set<string>()
  let since = 0
  let lastFailure = 0
  let endedAt = Number.NEGATIVE_INFINITY
  let saidAt = Number.NEGATIVE_INFINITY
  let isSaid = false

  function fail(operation: string, failure: Error): void {
    lastFailure = now()
    if (failed.size === 0) {
      since = lastFailure
      isSaid = false
    }
    failed.add(operation)
    const isNew = !isSaid && since - endedAt > SAME_MS
    if (!isNew && lastFailure - saidAt < REMIND_MS) return
    isSaid = true
    saidAt = lastFailure
    // Without the stack: what counts is what the driver says, and where it was is the storage.
    const line = { storage: access, operation, reason: failure.message, out_s: seconds(lastFailure - since) }
    if (failure instanceof StorageUnusable) log.fatal(line, UNUSABLE)
    else log.warn(line, MEANING[access])
  }
  function end(): void {
    failed.clear()
    endedAt = now()
    if (!isSaid) return
    const can = access === 'reading' ? 'read' : 'written'
    log.info({ storage: access, out_s: seconds(endedAt - since) }, `the storage can be ${can} again`)
  }

  return {
    note({ operation, failure }) {
      if (failure !== undefined) fail(operation, failure)
      else if (failed.size > 0 && (failed.has(operation) || now() - lastFailure > FORGET_MS)) end()
    },
    get isOut() {
      // Who only answers requests seldom writes: one write that failed must not be all that is known of it for ever.
      return failed.size > 0 && now() - lastFailure <= FORGET_MS
    }
  }
}

const seconds = (ms: number) => Math.round(ms / 100) / 10
