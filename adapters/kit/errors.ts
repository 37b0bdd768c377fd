import type { Reason } from '../../storage/kit/run.ts'

export interface FeedErrorOptions extends ErrorOptions {
  /** Of an HTTP answer. */
  status?: number
  /** The header of an HTTP answer. */
  retryAfter?: string | undefined
}

/** What is wrong with a feed or the way to it. `message` is one sentence for a person. */
export class FeedError extends Error {
  readonly reason: Reason
  readonly status: number | undefined
  readonly retryAfter: string | undefined

  constructor(reason: Reason, message: string, options: FeedErrorOptions = {}) {
    super(message, options)
    this.reason = reason
    this.status = options.status
    this.retryAfter = options.retryAfter
  }
}
