import type { FastifyBaseLogger } from 'fastify'
import type { Lease, Occasion, Storage } from '../../storage/kit/contract.ts'
import type { JobDefinition } from '../jobs/kit/contract.ts'

export interface JobEnvironment {
  storage: Storage
  /** Who holds the lease: this process. */
  holder: string
  log: FastifyBaseLogger
  stop: AbortSignal
  /** Aborts when its source is paused. */
  paused?: AbortSignal
  /** What it is run for; see `Storage.takeLease`. */
  occasion?: Occasion
  /** Length of the lease; for tests. */
  leaseMs?: number
}

export const LEASE_MS = 15_000

/**
 * Runs a job under its lease, which is renewed at a third of its length for as long as the job runs.
 * @returns false when somebody else is running it, or has for this occasion.
 */
export async function runJob(
  job: Pick<JobDefinition, 'name' | 'timeoutMs' | 'run'>,
  environment: JobEnvironment
): Promise<boolean> {
  const { storage, holder, log, stop, paused, occasion, leaseMs = LEASE_MS } = environment
  const asked = performance.now()
  const lease = await storage.takeLease(job.name, holder, leaseMs, occasion)
  if (lease === null) {
    log.debug('the job runs elsewhere')
    return false
  }
  const timeout = new AbortController()
  const timer = setTimeout(() => {
    timeout.abort(new DOMException(`not done after ${job.timeoutMs / 1000} s`, 'TimeoutError'))
  }, job.timeoutMs)
  const lost = new AbortController()
  const letGo = keepLease(lease, { storage, leaseMs, asked }, () => {
    lost.abort(new DOMException('the lease was lost', 'LeaseLostError'))
  })
  let isCutShort = false
  try {
    const signals = [stop, timeout.signal, lost.signal, ...(paused ? [paused] : [])]
    await job.run({ signal: AbortSignal.any(signals), stop, log, lease })
  } catch (error) {
    if (!stop.aborted) throw error
    isCutShort = true
    log.debug({ err: error }, 'the job was cut short')
  } finally {
    clearTimeout(timer)
    letGo()
    // What stopping has cut short is for another process to take over, at once.
    await storage.releaseLease(lease, !isCutShort).catch(() => log.debug('the lease is left to expire'))
  }
  return true
}

/**
 * Renews a lease until it is told to let go. What counts is when it was asked for, not when that was answered: a
 * storage that does not answer at all must not keep us working on a lease that has expired there.
 */
function keepLease(
  lease: Lease,
  { storage, leaseMs, asked }: { storage: Storage; leaseMs: number; asked: number },
  onLost: () => void
): () => void {
  const loseAfter = (asked: number) => setTimeout(onLost, Math.max(0, (leaseMs * 2) / 3 - (performance.now() - asked)))
  let deadline = loseAfter(asked)
  let isKept = true
  const renewal = setInterval(async () => {
    const asked = performance.now()
    const renewed = await storage.renewLease(lease, leaseMs).catch(() => undefined)
    if (!isKept) return
    if (renewed === false) onLost()
    if (renewed !== true) return
    clearTimeout(deadline)
    deadline = loseAfter(asked)
  }, leaseMs / 3)
  return () => {
    isKept = false
    clearInterval(renewal)
    clearTimeout(deadline)
  }
}
