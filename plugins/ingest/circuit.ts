import type { Circuit } from '../../storage/kit/contract.ts'
import type { Reason } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import type { Failure } from './reasons.ts'

type Limits = Pick<Source, 'backoff_base' | 'backoff_cap' | 'retry_after_cap'>

export const CLOSED: Circuit = { failures: 0, retry_at: null }

/** Of HTTP: what a repetition a moment later will not heal. */
const PERMANENT = [401, 403, 404, 410]
/** What needs a person, here or there, before it can be otherwise. */
const HOPELESS: Reason[] = ['address', 'doctype', 'limits', 'too_large', 'internal']

/**
 * When to try again after a failure: at a random time within a span that doubles with every failure in a row (full
 * jitter, so that many do not meet), up to a cap, for ever. Not before a `Retry-After`.
 * @param now milliseconds, by the storage's clock
 * @param random from 0 to 1
 */
export function nextCircuit(
  { failures }: Circuit,
  { reason, status, retryAfter }: Failure,
  limits: Limits,
  { now, random = Math.random() }: { now: number; random?: number }
): Circuit {
  const most = Math.min(limits.backoff_cap, limits.backoff_base * 2 ** Math.min(failures, 50))
  const isHopeless = HOPELESS.includes(reason) || PERMANENT.includes(status ?? 0)
  const asked = Math.min(secondsAsked(retryAfter, now), limits.retry_after_cap)
  const seconds = isHopeless ? asked : Math.max(random * most, asked)
  const waits = !isHopeless || asked > 0
  return { failures: failures + 1, retry_at: waits ? new Date(now + Math.ceil(seconds * 1000)).toISOString() : null }
}

/** Of a Retry-After header, in seconds or as a date (RFC 9110); 0 where there is none, or nothing sensible in it. */
function secondsAsked(header: string | undefined, now: number): number {
  const text = header?.trim() ?? ''
  if (/^\d{1,10}$/.test(text)) return Number(text)
  const at = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? 0 : Math.max(0, (at - now) / 1000)
}
