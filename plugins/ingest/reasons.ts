import { FeedError } from '../../adapters/kit/errors.ts'
import { LeaseLost, StorageUnavailable } from '../../storage/kit/errors.ts'
import type { Reason } from '../../storage/kit/run.ts'

/** What each reason of a run means for the person who has to do something about it. */
export const HINTS: Record<Reason, string> = {
  dns: "check the host name in the source's url, and this machine's resolver",
  connect: 'the provider is down or blocks this machine; the next run tries again',
  tls: "the provider's certificate is not trusted here: look at it, and at the clock of this machine",
  timeout: 'the provider is slow; if it always is, raise timeout of the source',
  status: 'see what the provider answers at this url; 401 and 403 want other credentials, 404 another url',
  redirect: 'set url of the source to where the feed is now',
  protocol: 'what answers at this address is no web server, or a broken one',
  address: 'set allow_private = true for the source if this address is meant',
  file: "check the path in the source's url and that this user may read it",
  too_large: 'raise max_mb of the source if the feed really is this large',
  encoding: 'tell the provider: the bytes are not in the encoding that the answer or the document declares',
  malformed: 'tell the provider: the document is not well-formed',
  truncated: 'the document came only in part; the next run tries again',
  not_a_feed: 'see what the provider answers at this url: it is not one of the documents that the adapter knows',
  doctype: 'tell the provider: documents with a DOCTYPE are refused',
  limits: 'raise the limit that the detail names, if the document means to go beyond it',
  aborted: 'the service was stopped; the next run starts afresh',
  paused: 'somebody paused the source; resume it (POST /v1/api/sources/NAME/resume)',
  abandoned: 'the process that ran it is gone; the next run starts afresh',
  lease_lost: 'another process took the source over; look for a process that stood still',
  storage: 'see the storage: the next run starts afresh',
  vanished: 'if they are really gone, confirm (POST /v1/api/sources/NAME/confirm) or wait for the next complete run',
  internal: 'this is a fault in the adapter or in the service: see the log line before this one'
}

/** Why a run did not end well. */
export interface Failure {
  reason: Reason
  /** One sentence for a person. */
  detail: string
  /** Of an HTTP answer. */
  status?: number | undefined
  retryAfter?: string | undefined
}

export function explainFailure(error: unknown, signal: AbortSignal): Failure {
  const detail = (error as Error)?.message ?? String(error)
  if (error instanceof LeaseLost) return { reason: 'lease_lost', detail }
  if (signal.aborted && error === signal.reason) return { reason: abortReason(signal.reason), detail }
  if (error instanceof FeedError)
    return { reason: error.reason, detail, status: error.status, retryAfter: error.retryAfter }
  if (error instanceof StorageUnavailable) return { reason: 'storage', detail: 'the storage did not answer' }
  if (signal.aborted) return { reason: abortReason(signal.reason), detail: signal.reason.message }
  return { reason: 'internal', detail: 'a fault in the adapter or the pipeline' }
}

function abortReason({ name }: DOMException): Reason {
  if (name === 'TimeoutError') return 'timeout'
  if (name === 'PausedError') return 'paused'
  if (name === 'GivenUpError') return 'abandoned'
  return name === 'LeaseLostError' ? 'lease_lost' : 'aborted'
}
