/** Milliseconds to wait after so many failures: doubling up to 30 s, half of it by chance, so that many do not meet. */
export function backoff(failures: number): number {
  const most = Math.min(30_000, 500 * 2 ** failures)
  return Math.round(most / 2 + (Math.random() * most) / 2)
}
