import { FeedError } from '../../adapters/kit/errors.ts'
import type { AlertSettings } from '../config/schema.ts'
import type { HttpClient } from '../http.ts'
import type { Notice } from './notice.ts'
import { sign } from './sign.ts'

export interface Failed {
  detail: string
  /** What a person can do. */
  hint: string
  /** Whether the receiver cannot have heard of it. */
  isUnheard: boolean
  /** Whether it is this notice that it does not want: others may fare better. */
  isRefused: boolean
}

interface TellOptions {
  http: HttpClient
  settings: AlertSettings
  now: Date
  signal: AbortSignal
}

/** @returns undefined once it has been delivered; throws only the signal's reason */
export async function tell(notice: Notice, { http, settings, now, signal }: TellOptions): Promise<Failed | undefined> {
  const { url, secret, timeout, allow_private } = settings
  const body = JSON.stringify(notice)
  const deadline = AbortSignal.timeout(timeout * 1000)
  try {
    const status = await http.post(url, body, {
      headers: {
        'content-type': 'application/json',
        'x-event-service-signature': sign(body, secret, Math.floor(now.getTime() / 1000))
      },
      signal: AbortSignal.any([signal, deadline]),
      allowPrivate: allow_private
    })
    return status >= 200 && status < 300 ? undefined : explainStatus(status)
  } catch (error) {
    signal.throwIfAborted()
    const { host } = new URL(url)
    if (deadline.aborted) return unreachable(`${host} did not answer within ${timeout} s`, false)
    return explainError(error as Error, host)
  }
}

function explainStatus(status: number): Failed {
  const detail = `the receiver answered ${status}`
  if (status >= 500 || status === 408 || status === 429) return unreachable(detail, status < 500)
  const hint =
    status < 400
      ? 'redirects are not followed: set url of [alerts] to where the receiver is now'
      : 'see what the receiver says of it, and check url and secret of [alerts]'
  return { detail, hint, isUnheard: true, isRefused: true }
}

function explainError(error: Error, host: string): Failed {
  if (!(error instanceof FeedError)) return unreachable(`${host}: ${error.message}`, false)
  const hint = {
    address: 'set allow_private = true in [alerts] if this address is meant',
    dns: "check url of [alerts], and this machine's resolver",
    tls: "the receiver's certificate is not trusted here: look at it, and at the clock of this machine"
  }[error.reason as string]
  const isUnheard = hint !== undefined || NEVER_SENT.includes(codeOf(error.cause))
  return { ...unreachable(error.message, isUnheard), ...(hint !== undefined && { hint }) }
}

const NEVER_SENT = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']

function codeOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error
  return String((first as NodeJS.ErrnoException | undefined)?.code)
}

function unreachable(detail: string, isUnheard: boolean): Failed {
  return { detail, hint: 'see whether the receiver is up and can be reached from here', isUnheard, isRefused: false }
}
