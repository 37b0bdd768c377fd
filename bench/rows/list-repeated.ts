import { compareLoad } from '../kit/load.ts'
import { REPEATED_PATH } from '../kit/queries.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'

const BAR = 0.9

export const listRepeated: Row = {
  name: 'list-repeated',
  what: (sizes) => `list of 20 of ${formatNumber(sizes.events)} events, the same query every time`,
  async measure(bench) {
    const env = { EVENTS_CONFIG: await bench.loaded() }
    const comparison = await compareLoad(bench, { env, samples: [REPEATED_PATH], ask: () => ({ path: REPEATED_PATH }) })
    return rateResult(comparison, 'requests/s', 'bare Fastify route, same bytes', BAR)
  }
}

export const listConditional: Row = {
  name: 'list-conditional',
  what: (sizes) =>
    `the same list of ${formatNumber(sizes.events)} events, by clients that have it (If-None-Match: 304)`,
  async measure(bench) {
    const env = { EVENTS_CONFIG: await bench.loaded() }
    const ask = () => ({ path: REPEATED_PATH })
    const comparison = await compareLoad(bench, { env, samples: [REPEATED_PATH], ask, isConditional: true })
    return rateResult(comparison, 'requests/s', 'bare Fastify route, same bytes', BAR)
  }
}
