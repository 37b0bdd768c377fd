import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { live } from '../service.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'
import { takePort } from '../take-port.ts'
import { nextEnd, startFleet } from './kit/fleet.ts'
import { startReaders } from './kit/readers.ts'
import { createSlowFeed } from './kit/slow-feed.ts'
import { makeVersion } from './kit/versions.ts'
import { isFull, recordHazard } from './record.ts'

const HALF_OPEN = 500
const READERS = 8
const LOAD_MS = isFull ? 20_000 : 3000
const MOST_GROWTH_MB = 64

describe.concurrent('clients that send half of a request', () => {
  for (const driver of DRIVERS.keys()) {
    it.skipIf(whyNot(driver) !== undefined)(
      `keep nobody from being served, on ${driver}`,
      async ({ task, expect: check }) => {
        await using fleet = await startFleet(driver, { demo: { cron: '0 0 29 2 *' } })
        const feed = createSlowFeed(fleet.provider)
        const service = await fleet.run({
          EVENTS_SERVER_ROLES: 'api,ingest',
          EVENTS_SERVER_PORT: String(await takePort())
        })
        await live(service)
        await feed.give(makeVersion(0, { events: 700, steady: 50 }))
        await nextEnd(fleet, undefined)
        const { port } = new URL(service.url)
        const url = `${service.url}/v1/api/events?limit=20`
        const load = async () => {
          const readers = startReaders(url, READERS)
          await sleep(LOAD_MS)
          readers.stop()
          await readers.done
          return readers
        }
        await load()
        const before = memory(service.process.pid!)
        const sockets = await Promise.all(
          Array.from({ length: HALF_OPEN }, async () => {
            const socket = connect(Number(port), '127.0.0.1')
            await once(socket, 'connect')
            socket.on('error', () => undefined).write('GET /v1/api/events HTTP/1.1\r\nHost: x\r\nX-Half: ')
            return socket
          })
        )
        const { answered, failures, latencies } = await load()
        const growth = memory(service.process.pid!) - before
        for (const socket of sockets) socket.destroy()
        const p99 = latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!
        recordHazard(task, {
          hazard: `slow clients (${HALF_OPEN} half-open), load of ${READERS} beside, ${driver}`,
          expected: `others served; memory grows by ≤ ${MOST_GROWTH_MB} MB`,
          figure:
            `answered ${answered} of ${answered + failures.length}, p99 ${p99.toFixed(0)} ms, ` +
            `memory ${growth.toFixed(0)} MB more`
        })
        check(failures).toEqual([])
        check(answered).toBeGreaterThan(READERS)
        check(growth).toBeLessThanOrEqual(MOST_GROWTH_MB)
      },
      600_000
    )
  }
})

/** MB of a process (RSS); 0 where nobody says. */
function memory(pid: number): number {
  const file = `/proc/${pid}/status`
  if (!existsSync(file)) return 0
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) / 1024
}
