/** How long leases are in processes that have the preload of this name. */
export const SHORT_LEASE_MS = 2000
