import type { FastifyBaseLogger } from 'fastify'
import type { Lease } from '../../../storage/kit/contract.ts'
import type { Source } from '../../sources.ts'

/**
 * Something that runs on a cron, by the storage's clock. However many processes have it, one of them runs it, once each
 * time, under a lease of its name; one that is still running when its time comes again is not started a second time.
 * One whose process dies is begun again by another.
 */
export interface JobDefinition {
  /** Unique; `[a-z0-9:_-]`. */
  name: string
  /** Five fields, or six with seconds first. */
  cron: string
  /** IANA name; UTC where left out. */
  timezone?: string
  /** Whether to run once when the service starts, too. */
  atStart?: boolean
  /** After this the signal aborts, with a `TimeoutError`. */
  timeoutMs: number
  /** The source that it fetches: it is then left alone while that is paused or spared, and retried when its time comes. */
  source?: Source
  /** Throws when the service stops before it has done its work: then another process begins it again at once. */
  run(context: JobContext): Promise<void>
}

export interface JobContext {
  /**
   * Aborts at the timeout, when the service stops, when the lease is lost, and when the source is paused. What does not
   * listen to it is a fault.
   */
  signal: AbortSignal
  /** Aborts when the service stops, and for nothing else. */
  stop: AbortSignal
  log: FastifyBaseLogger
  /** `lease.now()` is the time, whatever this machine's clock says. */
  lease: Lease
}
