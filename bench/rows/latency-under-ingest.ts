import { randomUUID } from 'node:crypto'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { request } from 'undici'
import type { Bench } from '../kit/bench.ts'
import { compare } from '../kit/compare.ts'
import { runProgram, type Server, startServer } from '../kit/processes.ts'
import { formatNumber, type Row } from '../kit/row.ts'
import type { LatencyOptions } from '../programs/latency.ts'

const BAR = 2
const PER_SECOND = 100

/** API and ingestion in one process, as it is by default: while the feed is read and written, and while there is none. */
export const latencyUnderIngest: Row = {
  name: 'latency-under-ingest',
  what: (sizes) => `99th percentile of a list's latency while ${sizes.memoryMegabytes.large} MB are ingested`,
  async measure(bench) {
    const feed = await bench.generate('latency', { megabytes: bench.sizes.memoryMegabytes.large, seed: 2 })
    await bench.loaded()
    const comparison = await compare(bench.sizes.latency.rounds, (round) => ({
      ours: () => measure(bench, round, { EVENTS_SOURCE_BENCH_URL: pathToFileURL(feed.file).href }),
      bare: () => measure(bench, round, { EVENTS_SOURCE_BENCH_RUN_AT_START: 'false' })
    }))
    return {
      ours: `${formatNumber(comparison.ours)} ms`,
      comparedWith: `${formatNumber(comparison.bare)} ms: the same with nothing to ingest`,
      ratio: `${comparison.ratio.median.toFixed(2)} (${comparison.ratio.min.toFixed(2)} to ${comparison.ratio.max.toFixed(2)})`,
      bar: `≤ ${BAR.toFixed(2)}`,
      met: comparison.ratio.median <= BAR
    }
  }
}

/** @returns ms */
async function measure(bench: Bench, round: number, env: Record<string, string>): Promise<number> {
  const database = join(bench.folder, `latency-${randomUUID()}.db`)
  await copyFile(join(bench.folder, 'loaded.db'), database)
  const config = { EVENTS_CONFIG: await bench.loaded(), EVENTS_SQLITE_PATH: database }
  await using server = await startServer('server.ts', { env: { ...config, ...env } })
  const isIngesting = 'EVENTS_SOURCE_BENCH_URL' in env
  while (isIngesting && !(await isUnderWay(server))) await new Promise((resolve) => setTimeout(resolve, 50))
  const { seconds } = bench.sizes.latency
  const options: LatencyOptions = { origin: server.origin, seconds, perSecond: PER_SECOND, seed: round }
  const p99 = await runProgram<number>('bench/programs/latency.ts', { args: [JSON.stringify(options)] })
  if (isIngesting && !(await isUnderWay(server))) throw new Error('the run ended before the measurement did')
  return p99
}

async function isUnderWay(server: Server): Promise<boolean> {
  const { body } = await request(`${server.origin}/v1/api/sources/bench`)
  const { last_run } = (await body.json()) as { last_run: { finished_at: string | null } | null }
  return last_run?.finished_at === null
}
