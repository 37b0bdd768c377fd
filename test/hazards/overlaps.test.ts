import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { createRandom } from '../../bench/kit/random.ts'
import { type Service, until } from '../service.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'
import { type Fleet, listening, preload, startFleet } from './kit/fleet.ts'
import { SHORT_LEASE_MS } from './kit/short-lease.ts'
import { countTicks, isGood } from './kit/ticks.ts'
import { compareWith, makeVersion, type Version } from './kit/versions.ts'
import { isFull, recordHazard } from './record.ts'

const TICKS = isFull ? 200 : 15
const PROCESSES = 3
const SIZE = { events: 300, steady: 50 }

describe.concurrent('three processes that come and go, and one source every second', () => {
  for (const driver of DRIVERS.keys()) {
    it.skipIf(whyNot(driver) !== undefined)(
      `write one at a time, on ${driver}`,
      async ({ task, expect: check }) => {
        await using fleet = await startFleet(driver, { demo: { cron: '* * * * * *', run_at_start: false } })
        const random = createRandom(4)
        const provider = serveVersions(fleet, random)
        const env = { NODE_OPTIONS: preload('short-lease') }
        const processes: Service[] = []
        for (let i = 0; i < PROCESSES; i++) processes.push(await fleet.run(env))
        for (const service of processes) await listening(service)
        const writers = await fleet.raw.watchWriters()

        const done = { killed: 0, stopped: 0, restarted: 0 }
        const busy = new Set<number>()
        const deeds: Promise<void>[] = []
        /** Each takes the time that it takes, while others happen to other processes. */
        async function befall(index: number): Promise<void> {
          busy.add(index)
          const service = processes[index]!
          const chance = random(3)
          if (chance === 0) {
            done.stopped++
            service.process.kill('SIGSTOP')
            await sleep(SHORT_LEASE_MS + random(1500))
            service.process.kill('SIGCONT')
          } else {
            done[chance === 1 ? 'killed' : 'restarted']++
            service.process.kill(chance === 1 ? 'SIGKILL' : 'SIGTERM')
            await service.gone
            processes[index] = await fleet.run(env)
            await listening(processes[index]!)
          }
          busy.delete(index)
        }
        for (let tick = 0; tick < TICKS; tick++) {
          const index = random(PROCESSES)
          if (random(2) === 0 && !busy.has(index)) deeds.push(befall(index))
          await sleep(1000)
        }
        await Promise.all(deeds)
        const final = provider.settle()
        const before = (await fleet.runs()).length
        // The second one was begun after what is served has settled.
        const runs = await until(async () => {
          const all = await fleet.runs()
          return all.slice(before).filter(({ outcome }) => isGood(outcome)).length > 1 && all
        })
        for (const { process } of processes) process.kill('SIGKILL')
        await Promise.all(processes.map(({ gone }) => gone))

        const { backwards, writes, tokens, takes } = await writers()
        const { good, known, twice } = await countTicks(fleet, takes, 1000)
        const overlapping = runs.filter((run, i) => i > 0 && Date.parse(runs[i - 1]!.finished_at!) > begun(run) + 100)
        const differences = await compareWith(final, fleet.storage)
        recordHazard(task, {
          hazard: `three processes, one source, every second, ${TICKS} ticks, random kills and stops, ${driver}`,
          expected: 'one run at a time',
          figure:
            `overlapping writers ${backwards.length + overlapping.length}, ticks run twice ${twice}, ` +
            `lost ${differences.lost} (${runs.length} runs, ${good} of them good, ${writes} writes under ${tokens} ` +
            `tokens; killed ${done.killed}, stopped ${done.stopped}, restarted ${done.restarted})`
        })
        check(tokens).toBeGreaterThan(TICKS / 10)
        check(backwards).toEqual([])
        check(overlapping).toEqual([])
        check(twice).toBe(0)
        check(known).toBeGreaterThan(good - PROCESSES)
        check(differences).toEqual({ lost: 0, duplicated: 0, halfDelisted: 0 })
      },
      1_800_000
    )
  }
})

const begun = ({ started_at }: { started_at: string | null }) => Date.parse(started_at!)

/** A new version for each request, and every other one comes in two halves, with a pause between them. */
function serveVersions({ provider }: Fleet, random: (limit: number) => number) {
  let n = 0
  let final: Version | undefined
  provider.serve(async (_request, response) => {
    const { body } = final ?? makeVersion(n++, SIZE)
    response.writeHead(200, { 'content-type': 'application/xml', 'content-length': body.length })
    const half = body.length >> 1
    response.write(body.subarray(0, half))
    if (final === undefined && random(2) === 0) await sleep(random(1500))
    response.end(body.subarray(half))
  })
  return {
    settle() {
      final = makeVersion(n, SIZE)
      return final
    }
  }
}
