import type { FastifyBaseLogger } from 'fastify'
import type { Lease } from '../../../storage/kit/contract.ts'

/**
 * Something that runs on a cron. Only one process at a time runs a job, under a lease of its name, however many have
 * it; one that is still running when its time comes again is not started a second time.
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
  /**
   * A time before which neither the cron nor the start runs it; it is run then, whatever the cron says. null: no such
   * time. Asked before each run, and after it.
   */
  notBefore?(): Promise<Date | null>
  run(context: JobContext): Promise<void>
}

export interface JobContext {
  /** Aborts at the timeout, when the service stops, and when the lease is lost. What does not listen to it is a fault. */
  signal: AbortSignal
  log: FastifyBaseLogger
  lease: Lease
}
