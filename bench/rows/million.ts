import { Client } from 'undici'
import type { Bench } from '../kit/bench.ts'
import { median } from '../kit/compare.ts'
import { ingest } from '../kit/ingest.ts'
import { type Server, startServer } from '../kit/processes.ts'
import { variedPath } from '../kit/queries.ts'
import { createRandom } from '../kit/random.ts'
import { formatNumber, type Row } from '../kit/row.ts'

const BAR = 1.5

/** Both answer page after page in turn, so that whatever else the machine does slows both. */
export const million: Row = {
  name: 'million',
  what: (sizes) => `latency of a list of 20 of ${formatNumber(sizes.manyEvents.large)} events, every query different`,
  async measure(bench) {
    const { small, large } = bench.sizes.manyEvents
    await using few = await start(bench, 'few', small)
    await using many = await start(bench, 'many', large)
    const pair = { few: new Client(few.origin), many: new Client(many.origin) }
    const random = createRandom(0)
    const times = { few: [] as number[], many: [] as number[] }
    for (let i = 0; i < bench.sizes.manyEvents.pages; i++) {
      const path = variedPath(random)
      for (const which of ['few', 'many'] as const) times[which].push(await ask(pair[which], path))
    }
    for (const client of Object.values(pair)) await client.close()
    const [ours, bare] = [median(times.many), median(times.few)]
    return {
      ours: `${formatNumber(ours)} ms`,
      comparedWith: `${formatNumber(bare)} ms: the same of ${formatNumber(small)}`,
      ratio: `${(ours / bare).toFixed(2)} (median of ${bench.sizes.manyEvents.pages} pages)`,
      bar: `≤ ${BAR.toFixed(2)}`,
      met: ours / bare <= BAR
    }
  }
}

async function start(bench: Bench, name: string, events: number): Promise<Server> {
  const feed = await bench.generate(name, { events })
  const config = await bench.configure(name, feed)
  await ingest(config, feed, { created: feed.events })
  return startServer('server.ts', { env: { EVENTS_CONFIG: config, EVENTS_SERVER_ROLES: 'api' }, core: 'server' })
}

async function ask(client: Client, path: string): Promise<number> {
  const started = performance.now()
  const { body, statusCode } = await client.request({ method: 'GET', path })
  await body.arrayBuffer()
  if (statusCode !== 200) throw new Error(`${path} was answered with ${statusCode}`)
  return performance.now() - started
}
