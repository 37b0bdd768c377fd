import type { Bench } from '../kit/bench.ts'
import { compare } from '../kit/compare.ts'
import { cpuSeconds } from '../kit/cpu.ts'
import { load } from '../kit/load.ts'
import { type Server, startServer } from '../kit/processes.ts'
import { formatNumber, type Row } from '../kit/row.ts'

const BAR = 1.1

/** Of all processes of the service; requests a second say little where the load generator needs a core, too. */
export const cpuPerRequest: Row = {
  name: 'cpu-per-request',
  what: (sizes) =>
    `CPU time of a list of 20 of ${formatNumber(sizes.events)} events, every query different, two workers`,
  async measure(bench) {
    await using one = await start(bench, 1)
    await using two = await start(bench, 2)
    const { warmupSeconds, rounds, turns } = bench.sizes.load
    // Each worker as long as the one that is alone.
    await load({ origin: one.origin, seconds: warmupSeconds, ask: { seed: 0 } })
    await load({ origin: two.origin, seconds: 2 * warmupSeconds, ask: { seed: 0 } })
    const measureBoth = (nth: number) => ({
      ours: () => measure(bench, two, nth),
      bare: () => measure(bench, one, nth)
    })
    const { ours, bare, ratio } = await compare(rounds, measureBoth, turns)
    return {
      ours: `${formatNumber(ours)} µs`,
      comparedWith: `${formatNumber(bare)} µs: the same with one`,
      ratio: `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
      bar: `≤ ${BAR.toFixed(2)}`,
      met: ratio.median <= BAR
    }
  }
}

async function start(bench: Bench, workers: number): Promise<Server> {
  const env = {
    EVENTS_CONFIG: await bench.loaded(),
    EVENTS_SERVER_ROLES: 'api',
    EVENTS_SERVER_WORKERS: String(workers)
  }
  return await startServer('server.ts', { env, core: 'server' })
}

/** @returns µs a request */
async function measure(bench: Bench, { origin, pid }: Server, nth: number): Promise<number> {
  const { seconds } = bench.sizes.load
  const before = await cpuSeconds(pid)
  const perSecond = await load({ origin, seconds, ask: { seed: nth } })
  return (((await cpuSeconds(pid)) - before) / (perSecond * seconds)) * 1e6
}
