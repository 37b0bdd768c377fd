import { setImmediate as nextTurn } from 'node:timers/promises'

/** Others are answered when so much of it has been done, in milliseconds. */
const TURN_MS = 5

/** Texts of all items: those of a whole page can be long work, of which no one else is to wait for more than a turn. */
export async function renderInTurns<T>(items: Iterable<T>, render: (item: T) => string): Promise<string[]> {
  const texts: string[] = []
  let since = performance.now()
  for (const item of items) {
    texts.push(render(item))
    if (performance.now() - since < TURN_MS) continue
    await nextTurn()
    since = performance.now()
  }
  return texts
}
