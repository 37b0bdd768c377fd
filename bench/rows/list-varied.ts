import { compareLoad } from '../kit/load.ts'
import { variedPath } from '../kit/queries.ts'
import { createRandom } from '../kit/random.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'

const BAR = 0.45
/** On the way there, either of the two. */
const STEP = { ratio: 0.25, perSecond: 5000 }

export const listVaried: Row = {
  name: 'list-varied',
  what: (sizes) => `list of 20 of ${formatNumber(sizes.events)} events, every query different`,
  async measure(bench) {
    const random = createRandom(0)
    const samples = Array.from({ length: 101 }, () => variedPath(random))
    const comparison = await compareLoad(bench, samples, (round) => ({ seed: round }))
    const result = rateResult(comparison, 'requests/s', 'bare Fastify route, a body of the same size', BAR)
    const isStepReached = comparison.ratio.median >= STEP.ratio || comparison.ours >= STEP.perSecond
    const step = `≥ ${STEP.ratio} or ≥ ${formatNumber(STEP.perSecond)} requests/s`
    return { ...result, bar: `${result.bar} (first step, ${step}: ${isStepReached ? 'reached' : 'missed'})` }
  }
}
