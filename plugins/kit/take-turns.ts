/** What it gives runs `run` one at a time; however often it is called meanwhile, one more run follows. */
export function takeTurns(run: () => Promise<void>): () => Promise<void> {
  let isRunning = false
  let isAgain = false
  return async () => {
    isAgain = true
    if (isRunning) return
    isRunning = true
    while (isAgain) {
      isAgain = false
      await run()
    }
    isRunning = false
  }
}
