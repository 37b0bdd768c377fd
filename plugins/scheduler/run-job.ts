import type { FastifyBaseLogger } from 'fastify'
import type { Lease, Storage } from '../../storage/kit/contract.ts'
import type { JobDefinition } from '../jobs/kit/contract.ts'

export interface JobEnvironment {
  storage: Storage
  /** Who holds the lease: this process. */
  holder: string
  log: FastifyBaseLogger
  stop: AbortSignal
}

const LEASE_MS = 30_000

/**
 * Runs a job under its lease, which is renewed at a third of its length for as long as the job runs.
 * @returns false when somebody else is running it.
 */
export async function runJob(job: JobDefinition, { storage, holder, log, stop }: JobEnvironment): Promise<boolean> {
  const lease = await storage.takeLease(job.name, holder, LEASE_MS)
  if (lease === null) {
    log.debug('the job runs elsewhere')
    return false
  }
  const timeout = new AbortController()
  const timer = setTimeout(() => {
    timeout.abort(new DOMException(`not done after ${job.timeoutMs / 1000} s`, 'TimeoutError'))
  }, job.timeoutMs)
  const lost = new AbortController()
  const renewal = keepLease(lease, storage, () => lost.abort(new DOMException('the lease was lost', 'LeaseLostError')))
  try {
    await job.run({ signal: AbortSignal.any([stop, timeout.signal, lost.signal]), log, lease })
  } finally {
    clearTimeout(timer)
    clearInterval(renewal)
    await storage.releaseLease(lease).catch((error) => log.warn({ err: error }, 'the lease is left to expire'))
  }
  return true
}

function keepLease(lease: Lease, storage: Storage, onLost: () => void): NodeJS.Timeout {
  let renewedAt = performance.now()
  return setInterval(async () => {
    const asked = performance.now()
    const renewed = await storage.renewLease(lease, LEASE_MS).catch(() => undefined)
    if (renewed === true) renewedAt = asked
    // While the storage does not answer the lease may still be ours, until it must have expired.
    else if (renewed === false || performance.now() - renewedAt > (LEASE_MS * 2) / 3) onLost()
  }, LEASE_MS / 3)
}
