import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import type { Run } from '../../storage/kit/run.ts'
import type { Bench } from '../kit/bench.ts'
import { refuseOther } from '../kit/ingest.ts'
import { startServer } from '../kit/processes.ts'
import type { Row } from '../kit/row.ts'

const BAR = { ratio: 1.3, megabytes: 256 }

/** Of the whole process, API and ingest thread. */
export const memory: Row = {
  name: 'memory',
  what: (sizes) => `peak memory (RSS) of a first load of ${sizes.memoryMegabytes.large} MB`,
  async measure(bench) {
    const { small, large } = bench.sizes.memoryMegabytes
    const [smallPeak, largePeak] = [await measurePeak(bench, small), await measurePeak(bench, large)]
    const ratio = largePeak / smallPeak
    return {
      ours: `${largePeak} MB`,
      comparedWith: `${smallPeak} MB: the same of ${small} MB`,
      ratio: ratio.toFixed(2),
      bar: `≤ ${BAR.ratio.toFixed(2)} and < ${BAR.megabytes} MB`,
      met: ratio <= BAR.ratio && largePeak < BAR.megabytes
    }
  }
}

async function measurePeak(bench: Bench, megabytes: number): Promise<number> {
  const feed = await bench.generate(`memory-${megabytes}`, { megabytes })
  const env = { EVENTS_CONFIG: await bench.configure(`memory-${megabytes}`, feed) }
  await using server = await startServer('server.ts', { env })
  refuseOther(await waitForRun(server.origin), { created: feed.events })
  return await readPeak(server.pid)
}

async function waitForRun(origin: string): Promise<Run> {
  for (;;) {
    const { body } = await request(`${origin}/v1/api/sources/bench/runs?limit=1`)
    const { data } = (await body.json()) as { data: Run[] }
    if (data[0]?.finished_at) return data[0]
    await sleep(100)
  }
}

/** @returns MB */
async function readPeak(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => {
    throw new Error('it is read from /proc, which only Linux has')
  })
  return Math.round(Number(/VmHWM:\s*(\d+) kB/.exec(status)![1]) / 1000)
}
