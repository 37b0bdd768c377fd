import { startMongodb } from '../../test/mongodb-server.ts'
import { ingest } from '../kit/ingest.ts'
import { compareLoad } from '../kit/load.ts'
import { startServer } from '../kit/processes.ts'
import { formatNumber, type Row, rateResult } from '../kit/row.ts'
import { variedSamples } from './list-varied.ts'

const BAR = 0.9
/** The stand-in for a server answers one after the other. */
const CONNECTIONS = 4

/** Each answer costs the server of the database far more than anybody else, so it is that which is asked as often. */
export const listMongodb: Row = {
  name: 'list-mongodb',
  what: (sizes) => `list of 20 of ${formatNumber(sizes.mongodbEvents)} events on MongoDB, every query different`,
  async measure(bench) {
    const feed = await bench.generate('mongodb', { events: bench.sizes.mongodbEvents })
    const config = await bench.configure('mongodb', feed)
    const { url, stop } = await startMongodb()
    const database = { EVENTS_MONGODB_URI: url, EVENTS_MONGODB_DATABASE: 'bench' }
    const env = { EVENTS_CONFIG: config, EVENTS_SERVER_STORAGE: 'mongodb', ...database }
    try {
      await ingest(config, feed, { created: feed.events }, env)
      const comparison = await compareLoad(bench, {
        env,
        connections: CONNECTIONS,
        samples: variedSamples(),
        ask: (nth) => ({ seed: nth }),
        startBare: () => startServer('bench/programs/bare-mongodb.ts', { env, core: 'server' })
      })
      return rateResult(comparison, 'requests/s', 'bare Fastify route with the same call of the driver', BAR)
    } finally {
      await stop()
    }
  }
}
