let turn: Promise<void> | undefined

/**
 * Resolves once all that has arrived by now has come as far. Each step is then taken for many requests in a row, so that what
 * it needs is still in the processor's caches: with one request after the other, each would fetch all of it anew.
 */
export function gather(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined
      resolve()
    })
  })
  return turn
}
