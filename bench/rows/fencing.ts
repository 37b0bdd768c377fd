import { copyFile } from 'node:fs/promises'
import type { Run } from '../../storage/kit/run.ts'
import { startMongodb } from '../../test/mongodb-server.ts'
import type { GeneratedFeed } from '../generate-feed.ts'
import type { Bench } from '../kit/bench.ts'
import { summarise } from '../kit/compare.ts'
import { refuseOther } from '../kit/ingest.ts'
import { runProgram } from '../kit/processes.ts'
import { formatNumber, type Result, type Row } from '../kit/row.ts'
import type { Sizes } from '../kit/sizes.ts'

const BAR = 1.03

type What = 'created' | 'unchanged'
type Measured = { what: What; seconds: number; run: Run }[]

/** CPU time: what else the machine does leaves it alone, mostly. */
const what = (storage: string, events: number) =>
  `lease check and fences on ${storage}: CPU time of a first load of ${formatNumber(events)} events, and of all unchanged`

export const fencingSqlite: Row = {
  name: 'fencing-sqlite',
  what: (sizes: Sizes) => what('SQLite', sizes.events),
  async measure(bench) {
    return measure(bench, 'sqlite', await bench.feed(), () => ({}))
  }
}

export const fencingMongodb: Row = {
  name: 'fencing-mongodb',
  what: (sizes: Sizes) => what('MongoDB', sizes.fencing.mongodbEvents),
  async measure(bench) {
    const feed = await bench.generate('fencing', { events: bench.sizes.fencing.mongodbEvents })
    const { url, stop } = await startMongodb()
    try {
      return await measure(bench, 'mongodb', feed, (name) => ({
        EVENTS_SERVER_STORAGE: 'mongodb',
        EVENTS_MONGODB_URI: url,
        EVENTS_MONGODB_DATABASE: name
      }))
    } finally {
      await stop()
    }
  }
}

/** @param env of the program, for a database of this name */
async function measure(
  bench: Bench,
  storage: string,
  feed: GeneratedFeed,
  env: (name: string) => NodeJS.ProcessEnv
): Promise<Result> {
  async function ingestTwice(fences: 'fenced' | 'free', round: number): Promise<Record<What, number>> {
    const name = `fencing-${storage}-${fences}-${round}`
    const copy = { ...feed, file: `${bench.folder}/${name}.xml` }
    await copyFile(feed.file, copy.file)
    const config = await bench.configure(name, copy)
    const options = { args: [copy.file, fences], env: { EVENTS_CONFIG: config, ...env(name) } }
    const measured = await runProgram<Measured>('bench/programs/fencing.ts', options)
    for (const { what, run } of measured) refuseOther(run, { [what]: feed.events })
    const seconds = Object.fromEntries(measured.map(({ what, seconds }) => [what, seconds]))
    return seconds as Record<What, number>
  }

  const rounds: Record<'fenced' | 'free', Record<What, number>>[] = []
  for (let round = 1; round <= bench.sizes.fencing.rounds; round++) {
    // Whichever goes first may find the machine in another state.
    const order = round % 2 === 0 ? (['fenced', 'free'] as const) : (['free', 'fenced'] as const)
    const pair = { fenced: {}, free: {} } as (typeof rounds)[number]
    for (const fences of order) pair[fences] = await ingestTwice(fences, round)
    rounds.push(pair)
  }
  const summary = (what: What) =>
    summarise(rounds.map(({ fenced, free }) => ({ ours: fenced[what], bare: free[what] })))
  const load = summary('created')
  const unchanged = summary('unchanged')
  const both = (of: (summary: typeof load) => string) => `${of(load)} and ${of(unchanged)}`
  return {
    ours: both(({ ours }) => `${formatNumber(ours)} s`),
    comparedWith: `${both(({ bare }) => `${formatNumber(bare)} s`)}: the same without`,
    ratio: both(({ ratio }) => `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`),
    bar: `≤ ${BAR.toFixed(2)}`,
    met: load.ratio.median <= BAR && unchanged.ratio.median <= BAR
  }
}
