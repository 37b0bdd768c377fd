export interface Comparison {
  ours: number
  bare: number
  /** Of the two measurements of each round. */
  ratio: { median: number; min: number; max: number }
}

/** Measures both in every round, one after the other, so that whatever else the machine does slows both. */
export async function compare(
  rounds: number,
  measure: (round: number) => { ours: () => Promise<number>; bare: () => Promise<number> }
): Promise<Comparison> {
  const pairs: { ours: number; bare: number }[] = []
  for (let round = 1; round <= rounds; round++) {
    const { ours, bare } = measure(round)
    pairs.push({ ours: await ours(), bare: await bare() })
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
