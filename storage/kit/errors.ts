import createError from '@fastify/error'

/** The storage does not answer, now. The same call can succeed later. */
export const StorageUnavailable = createError<[string, ErrorOptions?]>('EVT_STORAGE_UNAVAILABLE', '%s', 503)
/** The storage answers, but cannot be used until a person acts. */
export const StorageUnusable = createError<[string, ErrorOptions?]>('EVT_STORAGE_UNUSABLE', '%s', 500)
/** The lease was given back or taken over by somebody else: whatever the caller was doing must stop. */
export const LeaseLost = createError<[string]>('EVT_LEASE_LOST', 'the lease %s was taken over', 409)

/** No index answers the query, and looking at every event takes too long. The storage is well. */
export const QueryTooSlow = createError<[string]>('EVT_QUERY_TOO_SLOW', '%s', 503)
/** It is asked how events were, or changed, at a time of which nothing is kept any more. */
export const Forgotten = createError<[string]>('EVT_FORGOTTEN', '%s', 410)
/** Of a position. @param since from when on all changes are kept */
export function changesForgotten(since: string): Error {
  return new Forgotten(
    `some changes after this position are not kept any more, but all from ${since} on: start afresh, with since or ` +
      'without a position'
  )
}

/** Whether it is the storage that failed, not what it was asked. */
export function isStorageFailure(error: unknown): error is Error {
  return error instanceof StorageUnavailable || error instanceof StorageUnusable
}
