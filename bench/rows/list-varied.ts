import { compareLoad } from '../kit/load.ts'
import { variedPath } from '../kit/queries.ts'
import { createRandom } from '../kit/random.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'

export const VARIED_BAR = 0.45

export function variedSamples(): string[] {
  const random = createRandom(0)
  return Array.from({ length: 101 }, () => variedPath(random))
}

export const listVaried: Row = {
  name: 'list-varied',
  what: (sizes) => `list of 20 of ${formatNumber(sizes.events)} events, every query different`,
  async measure(bench) {
    const env = { EVENTS_CONFIG: await bench.loaded() }
    const comparison = await compareLoad(bench, { env, samples: variedSamples(), ask: (nth) => ({ seed: nth }) })
    return rateResult(comparison, 'requests/s', 'bare Fastify route, an answer of the same size', VARIED_BAR)
  }
}
