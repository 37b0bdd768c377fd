import { request } from 'undici'
import { median } from '../kit/compare.ts'
import { startServer } from '../kit/processes.ts'
import { formatNumber, type Row } from '../kit/row.ts'

const BAR_SECONDS = 1

export const coldStart: Row = {
  name: 'cold-start',
  what: () => 'cold start, from the command to the first /livez',
  async measure(bench) {
    const feed = await bench.generate('cold-start', { events: 10 })
    const seconds: number[] = []
    for (let i = 0; i < bench.sizes.coldStarts; i++) {
      const env = { EVENTS_CONFIG: await bench.configure(`cold-start-${i}`, feed) }
      const started = performance.now()
      await using server = await startServer('server.ts', { env })
      const { statusCode, body } = await request(`${server.origin}/livez`)
      if (statusCode !== 200) throw new Error(`/livez answers ${statusCode}`)
      seconds.push((performance.now() - started) / 1000)
      await body.dump()
    }
    const value = median(seconds)
    return {
      ours: `${formatNumber(value)} s`,
      comparedWith: '',
      ratio: `(${formatNumber(Math.min(...seconds))} to ${formatNumber(Math.max(...seconds))} s)`,
      bar: `< ${BAR_SECONDS} s`,
      met: value < BAR_SECONDS
    }
  }
}
