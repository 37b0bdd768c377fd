import { appendFile } from 'node:fs/promises'
import { compare } from '../kit/compare.ts'
import { ingest, parseBare } from '../kit/ingest.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'

const BAR = 0.75

export const unchangedFeed: Row = {
  name: 'unchanged-feed',
  what: (sizes) => `ingest of ${formatNumber(sizes.events)} events, all unchanged in a document that is not`,
  async measure(bench) {
    const [feed, config] = [await bench.feed(), await bench.loaded()]
    const comparison = await compare(bench.sizes.ingestRounds, () => ({
      async ours() {
        await appendFile(feed.file, '\n')
        return ingest(config, feed, { unchanged: feed.events })
      },
      bare: () => parseBare(feed)
    }))
    return rateResult(comparison, 'MB/s', 'bare sax, same file', BAR)
  }
}
