import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { LEASE_MS } from '../../plugins/scheduler/run-job.ts'
import { ADMIN_TOKEN } from '../helper.ts'
import { live, until } from '../service.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'
import { takePort } from '../take-port.ts'
import { holderOf, listening, NEVER, preload, startFleet } from './kit/fleet.ts'
import { SHORT_LEASE_MS } from './kit/short-lease.ts'
import { createSlowFeed } from './kit/slow-feed.ts'
import { makeVersion } from './kit/versions.ts'
import { isFull, recordHazard } from './record.ts'

const TRIGGERS = 100
/** With leases as they are in earnest, where there is time. */
const LEASE = isFull ? LEASE_MS : SHORT_LEASE_MS
const MOST_FAILOVER_MS = LEASE + 2000

describe.concurrent('a hundred triggers at once, of two processes', () => {
  for (const driver of DRIVERS.keys()) {
    it.skipIf(whyNot(driver) !== undefined)(
      `make one run, also when who began it is killed, on ${driver}`,
      async ({ task, expect: check }) => {
        await using fleet = await startFleet(driver, { demo: NEVER })
        const feed = createSlowFeed(fleet.provider)
        const version = makeVersion(0, { events: 700, steady: 50 })
        const apis = await Promise.all(
          [0, 1].map(async () => {
            const api = await fleet.run({ EVENTS_SERVER_ROLES: 'api', EVENTS_SERVER_PORT: String(await takePort()) })
            await live(api)
            return api
          })
        )
        const env: Record<string, string> = isFull ? {} : { NODE_OPTIONS: preload('short-lease') }
        const ingesters = [await fleet.run(env), await fleet.run(env)]
        for (const ingester of ingesters) await listening(ingester)

        const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
        const answers = await Promise.all(
          Array.from({ length: TRIGGERS }, async (_, i) => {
            const answer = await fetch(`${apis[i % 2]!.url}/v1/api/sources/demo/runs`, { method: 'POST', headers })
            return `${answer.status} ${answer.headers.get('location')}`
          })
        )
        await feed.begin(version, version.body.length >> 1)
        const pid = await holderOf(fleet)
        const killed = performance.now()
        ingesters.find(({ process }) => process.pid === pid)!.process.kill('SIGKILL')
        await feed.begin(version, 0)
        const failover = performance.now() - killed
        await feed.finish()
        const [run] = await until(async () => {
          const runs = await fleet.runs()
          return runs[0]!.outcome !== null && runs
        })
        // For what might come of it yet.
        await sleep(1500)
        const runs = await fleet.runs()
        const requests = fleet.provider.requests.length
        recordHazard(task, {
          hazard: `${TRIGGERS} triggers at once of two processes, and who began it killed, ${driver}`,
          expected: `one run; another one begins within the lease of ${LEASE / 1000} s + 2 s`,
          figure: `runs ${runs.length}, requests ${requests}, failover in ${(failover / 1000).toFixed(1)} s`
        })
        check(new Set(answers)).toEqual(new Set([`202 /v1/api/sources/demo/runs/${run!.id}`]))
        check(runs).toMatchObject([{ outcome: 'complete', counts: { seen: version.titles.size + 1 } }])
        check((await fleet.storage.commands('demo', { limit: 10 })).items).toMatchObject([{ outcome: 'complete' }])
        check(requests).toBe(2)
        check(failover).toBeLessThanOrEqual(MOST_FAILOVER_MS)
      },
      600_000
    )
  }
})
