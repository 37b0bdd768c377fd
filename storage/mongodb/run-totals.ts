import type { RunTotal } from '../kit/contract.ts'

type Ended = Omit<RunTotal, 'source' | 'runs'>

/** Where in a source's document they are counted. */
export function totalKey({ kind, outcome, reason }: Ended): string {
  return `totals.${kind}/${outcome}/${reason ?? ''}`
}

export function toTotals(source: string, totals: Record<string, number>): RunTotal[] {
  return Object.entries(totals).map(([key, runs]) => {
    const [kind, outcome, reason] = key.split('/') as [Ended['kind'], Ended['outcome'], string]
    return { source, kind, outcome, reason: (reason || null) as Ended['reason'], runs }
  })
}
