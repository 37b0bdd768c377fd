import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import type { Storage } from '../../storage/kit/contract.ts'
import { ask } from '../ask.ts'
import { ADMIN_TOKEN } from '../helper.ts'
import { live, until } from '../service.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'
import { takePort } from '../take-port.ts'
import { type Fleet, holderOf, listening, preload, standStill, startFleet } from './kit/fleet.ts'
import { countTicks } from './kit/ticks.ts'
import { makeVersion } from './kit/versions.ts'
import { isFull, recordHazard } from './record.ts'

const HOUR = 3_600_000
const EVERY_MS = 2000
const TICKS = isFull ? 30 : 4
/** A busy machine is late; nothing that a wrong clock has told is as near as this. */
const MOST_WRONG_MS = 10 * 60_000
/** How long after its end a lease may be taken: the others look twice a second. */
const LATE_MS = 2000

describe.concurrent('a replica whose clock is wrong by an hour', () => {
  for (const driver of DRIVERS.keys()) {
    it.skipIf(whyNot(driver) !== undefined)(
      `changes nothing, on ${driver}`,
      async ({ task, expect: check }) => {
        const [ahead, behind] = await Promise.all([HOUR, -HOUR].map((shift) => runBeside(driver, shift)))
        const all = [ahead!, behind!]
        const sum = (key: 'runs' | 'double' | 'farRuns' | 'wrongTimes' | 'times') =>
          all.reduce((total, one) => total + one[key], 0)
        const gaps = all.map(({ takenAfterMs }) => takenAfterMs)
        recordHazard(task, {
          hazard: `one replica's clock ± 1 h, ${driver}`,
          expected: `nothing changes; a lease is taken over from 0 to ${LATE_MS / 1000} s after its end`,
          figure:
            `double runs ${sum('double')} of ${sum('runs')}, runs that were due by the wrong clock alone ${sum('farRuns')}, ` +
            `wrong times ${sum('wrongTimes')} of ${sum('times')}, leases taken over ${gaps.join(' and ')} ms after their end`
        })
        check(sum('runs')).toBeGreaterThan(TICKS)
        check(sum('double')).toBe(0)
        check(sum('farRuns')).toBe(0)
        check(all.flatMap(({ wrong }) => wrong)).toEqual([])
        for (const { byWrong } of all) check(byWrong).toBeGreaterThan(0)
        for (const gap of gaps) {
          check(gap).toBeGreaterThanOrEqual(0)
          check(gap).toBeLessThanOrEqual(LATE_MS)
        }
      },
      600_000
    )
  }
})

/** Two replicas of one source; one of them has a clock that is `shift` ms ahead. */
async function runBeside(driver: string, shift: number) {
  const far = new Date(Date.now() + shift + 10_000)
  const farCron = `${far.getUTCSeconds()} ${far.getUTCMinutes()} ${far.getUTCHours()} * * *`
  await using fleet = await startFleet(driver, {
    demo: { cron: `*/${EVERY_MS / 1000} * * * * *`, run_at_start: false },
    far: { cron: farCron, run_at_start: false }
  })
  let n = 0
  let isSlow = false
  let slow = 0
  fleet.provider.serve(async (_request, response) => {
    const { body } = makeVersion(n++, { events: 100, steady: 50 })
    response.writeHead(200, { 'content-type': 'application/xml', 'content-length': body.length }).flushHeaders()
    if (isSlow) {
      slow++
      await sleep(60_000, undefined, { ref: false })
    }
    response.end(body)
  })

  const port = String(await takePort())
  const wrong = await fleet.run({
    NODE_OPTIONS: `${preload('wrong-clock')} ${preload('short-lease')}`,
    TEST_CLOCK_SHIFT_MS: String(shift),
    EVENTS_SERVER_ROLES: 'api,ingest',
    EVENTS_SERVER_PORT: port
  })
  await live(wrong)
  const writers = await fleet.raw.watchWriters()
  const ended = async () => (await fleet.runs()).filter(({ outcome }) => outcome === 'complete').length
  await until(async () => (await ended()) > 1)
  const byWrong = await ended()
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  await fetch(`${wrong.url}/v1/api/sources/demo/pause`, { method: 'POST', headers })
  await fetch(`${wrong.url}/v1/api/sources/demo/resume`, { method: 'POST', headers })
  const right = await fleet.run({ NODE_OPTIONS: preload('short-lease') })
  await listening(right)
  await until(async () => (await ended()) >= byWrong + TICKS, 400_000)
  const { takes } = await writers()
  const { known, twice } = await countTicks(fleet, takes, EVERY_MS)

  // The one that is right gets the lease, while the other one stands still, and dies with it.
  await standStill(fleet, wrong)
  isSlow = true
  // Not with a run that began before: that would end, and give the lease back.
  await until(async () => slow > 0 && (await holderOf(fleet)) === right.process.pid)
  wrong.process.kill('SIGCONT')
  right.process.kill('SIGKILL')
  await right.gone
  const { expires, token } = await leaseOf(fleet)
  const { taken_at } = await until(async () => {
    const lease = await leaseOf(fleet)
    return lease.token > token && lease
  })

  const times = await timesOf(fleet.storage)
  const wrongTimes = Object.entries(times).filter(([, ms]) => Math.abs(ms - Date.now()) > MOST_WRONG_MS)
  const farRuns = (await fleet.storage.runs('far', { limit: 10 })).items.length
  return {
    runs: known,
    double: twice,
    byWrong,
    farRuns,
    times: Object.keys(times).length,
    wrongTimes: wrongTimes.length,
    wrong: wrongTimes.map(([what]) => what),
    takenAfterMs: taken_at - expires
  }
}

async function leaseOf({ storage }: Fleet) {
  return (await storage.agenda()).leases.find(({ name }) => name === 'source:demo')!
}

/** All times that the service has noted itself, in milliseconds, by what they are of. */
async function timesOf(storage: Storage): Promise<Record<string, number>> {
  const times: Record<string, number> = {}
  function note(what: string, things: readonly object[]): void {
    things.forEach((thing, i) => {
      for (const [key, value] of Object.entries(thing)) {
        if (!key.endsWith('_at') || ['starts_at', 'ends_at', 'retry_at'].includes(key) || value === null) continue
        times[`${what} ${i}: ${key} ${value}`] = typeof value === 'number' ? value : Date.parse(value)
      }
    })
  }
  const page = { limit: 1000 }
  const events: object[] = []
  for await (const event of storage.stream(ask({ match: 'overlaps' }))) events.push(event)
  note('event', events)
  note('run', (await storage.runs('demo', page)).items)
  note('reject', (await storage.rejects('demo', page)).items)
  note('command', (await storage.commands('demo', page)).items)
  note('source', await storage.sources())
  note('snapshot', await storage.snapshots('demo'))
  note('lease', (await storage.agenda()).leases)
  return times
}
