import type { Reason } from '../../storage/kit/run.ts'

/** What is wrong with a feed or the way to it. `message` is one sentence for a person. */
export class FeedError extends Error {
  readonly reason: Reason

  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}
