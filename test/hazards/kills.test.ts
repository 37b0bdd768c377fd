import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import { createRandom } from '../../bench/kit/random.ts'
import { DRIVERS, whyNot } from '../storage/fixtures.ts'
import { nextEnd, startFleet } from './kit/fleet.ts'
import type { RawStore } from './kit/raw-store.ts'
import { createSlowFeed } from './kit/slow-feed.ts'
import { compareWith, makeVersion, sizeFor } from './kit/versions.ts'
import { isFull, recordHazard } from './record.ts'

const POINTS = isFull ? 50 : 5

describe.concurrent('kill -9 of who ingests', () => {
  for (const driver of DRIVERS.keys()) {
    it.skipIf(whyNot(driver) !== undefined)(
      `leaves what the next run brings in order, on ${driver}`,
      async ({ task, expect: check }) => {
        const version = (n: number) => makeVersion(n, sizeFor(driver))
        const random = createRandom(9)
        await using fleet = await startFleet(driver, { demo: { cron: '* * * * * *', run_at_start: false } })
        const feed = createSlowFeed(fleet.provider)
        let victim = await fleet.run()
        await feed.give(version(0))
        let last = await nextEnd(fleet, undefined)
        check(last).toMatchObject({ outcome: 'complete', counts: { created: version(0).titles.size } })

        const total = { lost: 0, duplicated: 0, halfDelisted: 0 }
        const killed = { reading: 0, delisting: 0, ended: 0 }
        /** From the last byte of a document to the end of its run. */
        let tailMs = 100
        for (let point = 0; point < POINTS; point++) {
          const next = version(point + 1)
          // Two of five after the last byte: it goes on writing, and delists.
          const isLate = point % 5 > 2
          await feed.begin(next, isLate ? next.body.length : random(next.body.length))
          if (isLate) await feed.finish()
          if (point % 5 === 4) await delistingBegins(fleet.raw)
          else await sleep(isLate ? (random(90) / 100) * tailMs : random(50))
          victim.process.kill('SIGKILL')
          await victim.gone

          const runs = await fleet.runs()
          const [open, ...others] = runs.filter(({ outcome }) => outcome === null)
          check(others).toEqual([])
          if (open === undefined) killed.ended++
          else if ((await fleet.raw.delistedSince(open.started_at!)) > 0) killed.delisting++
          else killed.reading++

          // What takes 15 seconds otherwise.
          await fleet.raw.expireLeases()
          victim = await fleet.run()
          const headers = await feed.give(next)
          const sent = performance.now()
          last = await nextEnd(fleet, runs.at(-1))
          tailMs = performance.now() - sent
          if (open !== undefined) {
            check(headers['if-none-match'], 'what was read of a killed run is not there').toBeUndefined()
            check(await fleet.storage.run('demo', open.id)).toMatchObject({ outcome: 'aborted', reason: 'abandoned' })
            check(last).toMatchObject({ outcome: 'complete', reason: null })
          }
          const differences = await compareWith(next, fleet.storage)
          for (const key of ['lost', 'duplicated', 'halfDelisted'] as const) total[key] += differences[key]
          total.halfDelisted += await fleet.raw.torn()
        }
        recordHazard(task, {
          hazard: `kill -9 at ${POINTS} points of an ingest of ${sizeFor(driver).events} events, ${driver}`,
          expected: 'the next run converges; the killed one is abandoned',
          figure:
            `lost / duplicated / half-delisted ${total.lost} / ${total.duplicated} / ${total.halfDelisted} ` +
            `(killed while reading ${killed.reading}, delisting ${killed.delisting}, after its end ${killed.ended})`
        })
        check(total).toEqual({ lost: 0, duplicated: 0, halfDelisted: 0 })
        check(killed.ended).toBeLessThanOrEqual((POINTS * 2) / 5)
      },
      1_800_000
    )
  }
})

/** What has come back is restored before anything is delisted, so they become fewer first. */
async function delistingBegins(raw: RawStore): Promise<void> {
  const deadline = performance.now() + 30_000
  for (let least = Number.POSITIVE_INFINITY; performance.now() < deadline; await nextTurn()) {
    const delisted = await raw.delisted()
    if (delisted > least) return
    least = delisted
  }
}
