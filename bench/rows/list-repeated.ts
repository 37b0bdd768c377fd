import { compareLoad } from '../kit/load.ts'
import { REPEATED_PATH } from '../kit/queries.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'

const BAR = 0.9

export const listRepeated: Row = {
  name: 'list-repeated',
  what: (sizes) => `list of 20 of ${formatNumber(sizes.events)} events, the same query every time`,
  async measure(bench) {
    const comparison = await compareLoad(bench, [REPEATED_PATH], () => ({ path: REPEATED_PATH }))
    return rateResult(comparison, 'requests/s', 'bare Fastify route, same bytes', BAR)
  }
}
