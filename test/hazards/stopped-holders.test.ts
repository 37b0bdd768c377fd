import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { describe, it } from 'vitest'
import { createRandom } from '../../bench/kit/random.ts'
import { until } from '../service.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'
import { holderOf, listening, NEVER, nextEnd, preload, standStill, startFleet } from './kit/fleet.ts'
import { createSlowFeed } from './kit/slow-feed.ts'
import { makeVersion } from './kit/versions.ts'
import { isFull, recordHazard } from './record.ts'

const LANES = isFull ? 2 : 1
const POINTS = isFull ? 100 : 4
/** More than it takes to try again what failed. */
const SETTLE_MS = 700

describe.concurrent('a holder that stands still past the end of its lease, and goes on', () => {
  for (const driver of DRIVERS.keys()) {
    it.skipIf(whyNot(driver) !== undefined)(
      `changes nothing any more, on ${driver}`,
      async ({ task, expect: check }) => {
        const lanes = await Promise.all(Array.from({ length: LANES }, (_, lane) => stopAndGo(driver, lane)))
        const changed = lanes.flat()
        recordHazard(task, {
          hazard: `holder stopped past the end of its lease, then continued, ${driver}`,
          expected: 'its writes are refused',
          figure: `stale writes ${changed.length} of ${POINTS}`
        })
        check(changed).toEqual([])
      },
      1_800_000
    )
  }
})

/** @returns what was changed after the successor had ended, by whom went on */
async function stopAndGo(driver: string, lane: number): Promise<string[]> {
  const random = createRandom(100 + lane)
  const version = (n: number) => makeVersion(n, { events: 700, steady: 100 })
  await using fleet = await startFleet(driver, { demo: NEVER })
  const feed = createSlowFeed(fleet.provider)
  const env = { NODE_OPTIONS: preload('short-lease') }
  const processes = [await fleet.run(env), await fleet.run(env)]
  for (const service of processes) await listening(service)
  await fleet.storage.addCommand('demo', 'run')
  await feed.give(version(0))
  let last = await nextEnd(fleet, undefined)

  const changed: string[] = []
  for (let point = 0; point < POINTS / LANES; point++) {
    // One that was asked for within a second is the same one.
    await sleep(1100)
    await fleet.storage.addCommand('demo', 'run')
    const old = version(2 * point + 1)
    await feed.begin(old, random(old.body.length))
    await sleep(random(40))
    const holder = await holderOf(fleet)
    const stopped = processes.find(({ process }) => process.pid === holder)!
    await standStill(fleet, stopped)
    const finished = feed.finish()
    await feed.give(version(2 * point + 2))
    last = await until(async () => {
      const run = (await fleet.runs()).at(-1)!
      return run.id !== last.id && run.outcome === 'complete' && (await holderOf(fleet)) === null && run
    })

    const before = await fleet.raw.dump()
    const said = stopped.output().length
    stopped.process.kill('SIGCONT')
    await finished
    await until(() => stopped.output().slice(said).includes('took it over'))
    await sleep(SETTLE_MS)
    const after = await fleet.raw.dump()
    const differing = Object.keys(after).filter((name) => !isDeepStrictEqual(before[name], after[name]))
    if (differing.length > 0) changed.push(`point ${point} of lane ${lane}: ${differing.join(', ')}`)
  }
  return changed
}
