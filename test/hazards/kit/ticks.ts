import type { Fleet } from './fleet.ts'

export const isGood = (outcome: string | null) => outcome === 'complete' || outcome === 'unchanged'

/**
 * Of the good runs of `demo`: how many there are, of how many it is known when their lease was taken for an occasion, and
 * how many of these are second ones of one tick: the next tick would have come later.
 * @param takes see `Writers`
 * @param everyMs from one tick to the next
 */
export async function countTicks(fleet: Fleet, takes: Map<number, number>, everyMs: number) {
  const good = (await fleet.runs()).filter(({ outcome }) => isGood(outcome))
  const taken = (await fleet.raw.tokensOf(good.map(({ id }) => id))).map((token) => takes.get(token))
  const known = taken.filter((at) => at !== undefined)
  return {
    good: good.length,
    known: known.length,
    twice: known.length - new Set(known.map((at) => Math.floor(at / everyMs))).size
  }
}
