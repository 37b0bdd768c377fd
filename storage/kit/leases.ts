/** Further ahead than any time of a lease can be: it was written while the storage's clock was wrong, and counts for nothing. */
export const MOST_AHEAD_MS = 600_000
