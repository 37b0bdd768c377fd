import { startMongodb } from '../../test/mongodb-server.ts'
import { compare } from '../kit/compare.ts'
import { ingest } from '../kit/ingest.ts'
import { runProgram } from '../kit/processes.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'

const BAR = 0.8

/** Where the server is a stand-in, most of what is measured is that. */
export const firstLoadMongodb: Row = {
  name: 'first-load-mongodb',
  what: (sizes) => `first load of ${formatNumber(sizes.mongodbLoad)} events into MongoDB`,
  async measure(bench) {
    const feed = await bench.generate('mongodb-load', { events: bench.sizes.mongodbLoad })
    const config = await bench.configure('mongodb-load', feed)
    const { url, stop } = await startMongodb()
    const env = (database: string) => ({
      EVENTS_SERVER_STORAGE: 'mongodb',
      EVENTS_MONGODB_URI: url,
      EVENTS_MONGODB_DATABASE: database
    })
    const load = (database: string) => ingest(config, feed, { created: feed.events }, env(database))
    try {
      // Also so that no measurement is the first that the server sees.
      await load('loaded')
      const comparison = await compare(bench.sizes.ingestRounds, (round) => ({
        ours: () => load(`ours-${round}`),
        async bare() {
          const options = { args: ['loaded', `bare-${round}`], env: { EVENTS_MONGODB_URI: url } }
          const { seconds } = await runProgram<{ seconds: number }>('bench/programs/bare-mongodb-load.ts', options)
          return feed.bytes / 1e6 / seconds
        }
      }))
      return rateResult(comparison, 'MB/s', 'the driver alone, the same documents from memory', BAR)
    } finally {
      await stop()
    }
  }
}
