export interface Watchdog {
  /** It is well. */
  pat(): void
  stop(): void
}

const TICKS = 10

/**
 * Barks once when nobody has patted it for `ms`. That is counted in ticks of its own: a process that was stopped itself, and
 * goes on, has not been waiting all the while.
 */
export function createWatchdog(ms: number, bark: () => void): Watchdog {
  let ticks = 0
  const timer = setInterval(() => {
    if (++ticks === TICKS) bark()
  }, ms / TICKS)
  return {
    pat() {
      ticks = 0
    },
    stop: () => clearInterval(timer)
  }
}
