import { compare } from '../kit/compare.ts'
import { ingest, parseBare } from '../kit/ingest.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'

const BAR = 0.6

export const firstLoad: Row = {
  name: 'first-load',
  what: (sizes) => `first load of ${formatNumber(sizes.events)} events into SQLite`,
  async measure(bench) {
    const feed = await bench.feed()
    const comparison = await compare(bench.sizes.ingestRounds, (round) => ({
      ours: async () => ingest(await bench.configure(`first-load-${round}`, feed), feed, { created: feed.events }),
      bare: () => parseBare(feed)
    }))
    return rateResult(comparison, 'MB/s', 'bare sax, same file', BAR)
  }
}
