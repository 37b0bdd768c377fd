import createError from '@fastify/error'

/** The storage does not answer, now. The same call can succeed later. */
export const StorageUnavailable = createError<[string, ErrorOptions?]>('EVT_STORAGE_UNAVAILABLE', '%s', 503)
/** The storage answers, but cannot be used until a person acts. */
export const StorageUnusable = createError<[string, ErrorOptions?]>('EVT_STORAGE_UNUSABLE', '%s', 500)
/** The lease was given back or taken over by somebody else: whatever the caller was doing must stop. */
export const LeaseLost = createError<[string]>('EVT_LEASE_LOST', 'the lease %s was taken over', 409)

/** Whether it is the storage that failed, not what it was asked. */
export function isStorageFailure(error: unknown): error is Error {
  return error instanceof StorageUnavailable || error instanceof StorageUnusable
}
