import type { Bench } from './bench.ts'
import type { Comparison } from './compare.ts'
import type { Sizes } from './sizes.ts'

/** One line of the table. */
export interface Row {
  /** For `--only`. */
  name: string
  what(sizes: Sizes): string
  measure(bench: Bench): Promise<Result>
}

export interface Result {
  ours: string
  comparedWith: string
  ratio: string
  bar: string
  met: boolean
}

/** Of two rates, with the least ratio that is good enough. */
export function rateResult({ ours, bare, ratio }: Comparison, unit: string, comparedWith: string, bar: number): Result {
  return {
    ours: `${formatNumber(ours)} ${unit}`,
    comparedWith: `${formatNumber(bare)} ${unit}: ${comparedWith}`,
    ratio: `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
    bar: `≥ ${bar.toFixed(2)}`,
    met: ratio.median >= bar
  }
}

export function formatNumber(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 }).replaceAll(',', ' ')
}
