import { parseArgs } from 'node:util'
import { createBench } from './kit/bench.ts'
import { describeMachine } from './kit/machine.ts'
import { FULL, QUICK } from './kit/sizes.ts'
import { failureLine, TABLE_HEAD, tableLine } from './kit/table.ts'
import { coldStart } from './rows/cold-start.ts'
import { cpuPerRequest } from './rows/cpu-per-request.ts'
import { deepPage } from './rows/deep-page.ts'
import { fencingMongodb, fencingSqlite } from './rows/fencing.ts'
import { firstLoad } from './rows/first-load.ts'
import { firstLoadMongodb } from './rows/first-load-mongodb.ts'
import { latencyUnderIngest } from './rows/latency-under-ingest.ts'
import { listMongodb } from './rows/list-mongodb.ts'
import { listConditional, listRepeated } from './rows/list-repeated.ts'
import { listVaried } from './rows/list-varied.ts'
import { zonesRepeated, zonesVaried } from './rows/list-zones.ts'
import { memory } from './rows/memory.ts'
import { million } from './rows/million.ts'
import { unchangedFeed } from './rows/unchanged-feed.ts'

const ROWS = [
  listRepeated,
  listConditional,
  listVaried,
  zonesRepeated,
  zonesVaried,
  listMongodb,
  cpuPerRequest,
  deepPage,
  million,
  unchangedFeed,
  firstLoad,
  firstLoadMongodb,
  fencingSqlite,
  fencingMongodb,
  latencyUnderIngest,
  memory,
  coldStart
]

const { quick, only } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' } }
}).values
const rows = ROWS.filter(({ name }) => name.includes(only))
if (rows.length === 0) {
  console.error(`--only takes a part of one of these names: ${ROWS.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

// Leaving this way ends what was started and removes what was written.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const bench = createBench(quick ? QUICK : FULL)
const lines: string[] = []
for (const row of rows) {
  console.error(`measuring ${row.name} …`)
  const what = row.what(bench.sizes)
  try {
    lines.push(tableLine(what, await row.measure(bench)))
  } catch (error) {
    console.error(error)
    lines.push(failureLine(what, error as Error))
    process.exitCode = 1
  }
}

console.log(describeMachine())
if (quick) console.log('A quick run: it shows that the bench works, not how fast the service is.')
console.log(['', TABLE_HEAD, ...lines].join('\n'))
