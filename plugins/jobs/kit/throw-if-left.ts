import type { Reason, Run } from '../../../storage/kit/run.ts'
import type { JobContext } from './contract.ts'

/** After these a source waits for its cron, or longer than it has to where only the stop was in the way. */
const LEFT: readonly (Reason | null)[] = ['aborted', 'lease_lost', 'storage']

/** @throws where a fetch did not come to its end and the service stops: so another process begins it again at once */
export function throwIfLeft({ reason }: Run, { stop }: JobContext): void {
  if (LEFT.includes(reason)) stop.throwIfAborted()
}
