import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { createRandom } from '../../bench/kit/random.ts'
import { live, until } from '../service.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'
import { takePort } from '../take-port.ts'
import { listening, nextEnd, preload, startFleet } from './kit/fleet.ts'
import { startReaders } from './kit/readers.ts'
import { createSlowFeed } from './kit/slow-feed.ts'
import { compareWith, makeVersion, sizeFor } from './kit/versions.ts'
import { isFull, recordHazard } from './record.ts'

const POINTS = isFull ? 50 : 2
const CLIENTS = 6

describe.concurrent('SIGTERM while it ingests and answers', () => {
  for (const driver of DRIVERS.keys()) {
    it.skipIf(whyNot(driver) !== undefined)(
      `fails nobody, and is over soon, on ${driver}`,
      async ({ task, expect: check }) => {
        const version = (n: number) => makeVersion(n, sizeFor(driver))
        const random = createRandom(15)
        await using fleet = await startFleet(driver, { demo: { cron: '* * * * * *', run_at_start: false } })
        const feed = createSlowFeed(fleet.provider)
        const first = await fleet.run()
        await feed.give(version(0))
        await nextEnd(fleet, undefined)
        first.process.kill('SIGTERM')
        await first.gone

        const failures: string[] = []
        const codes: (number | string)[] = []
        let answered = 0
        let unaccepted = 0
        let slowest = 0
        let takeover = 0
        const total = { lost: 0, duplicated: 0, halfDelisted: 0 }
        for (let point = 0; point < POINTS; point++) {
          const port = String(await takePort())
          const service = await fleet.run({
            EVENTS_SERVER_ROLES: 'api,ingest',
            EVENTS_SERVER_PORT: port,
            NODE_OPTIONS: preload('note-accepted')
          })
          await live(service)
          const next = version(point + 1)
          await feed.begin(next, random(next.body.length))
          const readers = startReaders(`${service.url}/v1/api/events?limit=20`, CLIENTS)
          const halfOpen = connect(Number(port), '127.0.0.1')
          halfOpen.on('error', () => undefined).write('GET /v1/api/events HTTP/1.1\r\nHost: x\r\nX-Half: ')
          await until(() => readers.answered > 2 * CLIENTS)
          await sleep(random(100))

          const stopped = performance.now()
          service.process.kill('SIGTERM')
          codes.push(await service.exit)
          slowest = Math.max(slowest, performance.now() - stopped)
          await readers.done
          halfOpen.destroy()
          answered += readers.answered
          await service.gone
          // Who still waits to be accepted when nobody listens any more is reset by the system.
          const accepted = new Set(
            Array.from(service.output().matchAll(/^accepted (\d+)$/gm), ([, from]) => Number(from))
          )
          for (const { what, port: from } of readers.failures) {
            if (what === 'ECONNRESET on a new connection' && !accepted.has(from!)) unaccepted++
            else failures.push(what)
          }

          // Somebody else goes on with what was left, at once.
          const [open] = (await fleet.runs()).slice(-1)
          check(open).toMatchObject({ outcome: 'aborted', reason: 'aborted' })
          const other = await fleet.run()
          await listening(other)
          const started = performance.now()
          await feed.give(next)
          takeover = Math.max(takeover, performance.now() - started)
          check(await nextEnd(fleet, open)).toMatchObject({ outcome: 'complete', reason: null })
          other.process.kill('SIGKILL')
          await other.gone
          await fleet.raw.expireLeases()
          const differences = await compareWith(next, fleet.storage)
          for (const key of ['lost', 'duplicated', 'halfDelisted'] as const) total[key] += differences[key]
        }
        const exits = codes.filter((code) => code === 0).length
        recordHazard(task, {
          hazard: `SIGTERM at ${POINTS} points of an ingest, reads in flight, one half-open client, ${driver}`,
          expected: 'exit ≤ 10 s with code 0; failed accepted requests 0',
          figure:
            `code 0 ${exits} of ${POINTS}, in ≤ ${(slowest / 1000).toFixed(1)} s; failed ${failures.length} of ` +
            `${answered + failures.length} (${unaccepted} more not accepted); taken over in ≤ ${(takeover / 1000).toFixed(1)} s`
        })
        check(failures).toEqual([])
        check(unaccepted).toBeLessThan(POINTS * CLIENTS)
        check(exits).toBe(POINTS)
        check(slowest).toBeLessThanOrEqual(10_000)
        check(total).toEqual({ lost: 0, duplicated: 0, halfDelisted: 0 })
      },
      1_800_000
    )
  }
})
