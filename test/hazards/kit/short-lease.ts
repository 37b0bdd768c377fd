/** How long leases are in processes that have the preload of this name: long enough to be kept on a busy machine. */
export const SHORT_LEASE_MS = 6000
