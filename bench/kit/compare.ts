export interface Comparison {
  ours: number
  bare: number
  /** Of the two measurements of each round. */
  ratio: { median: number; min: number; max: number }
}

/**
 * Measures both in every round, in turns, so that whatever else the machine does slows both.
 * @param measure gets the number of the measurement, from 1 on, the same for both
 * @param turns how many measurements of each make one round: its figures are their means
 */
export async function compare(
  rounds: number,
  measure: (nth: number) => { ours: () => Promise<number>; bare: () => Promise<number> },
  turns = 1
): Promise<Comparison> {
  const pairs: { ours: number; bare: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const mean = { ours: 0, bare: 0 }
    for (let turn = 1; turn <= turns; turn++) {
      const nth = round * turns + turn
      const measures = measure(nth)
      // Whoever was last is first: so neither has the better half of what gets faster or slower.
      for (const which of nth % 2 === 1 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
        mean[which] += (await measures[which]()) / turns
      }
    }
    pairs.push(mean)
  }
  return summarise(pairs)
}

/** @param pairs both measurements of each round */
export function summarise(pairs: { ours: number; bare: number }[]): Comparison {
  const ratios = pairs.map(({ ours, bare }) => ours / bare)
  return {
    ours: median(pairs.map(({ ours }) => ours)),
    bare: median(pairs.map(({ bare }) => bare)),
    ratio: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) }
  }
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
