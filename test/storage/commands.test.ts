import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Command, MOST_RESULTS } from '../../storage/kit/command.ts'
import type { Storage } from '../../storage/kit/contract.ts'
import { createStore, DRIVERS, endRun, startRun, type TestStore, whyNot } from './fixtures.ts'
import { shiftTimes } from './shift-times.ts'

/** How much later than this machine's clock says the storage may be without a test failing for it. */
const NOW = 5000

for (const driver of DRIVERS.keys()) {
  describe.skipIf(whyNot(driver) !== undefined)(`commands on ${driver}`, () => {
    let store: TestStore
    let storage: Storage
    beforeEach(async () => {
      store = await createStore(driver)
      storage = store.storage
      return () => store.close()
    })
    const waiting = async () => (await storage.agenda()).commands
    const paused = async () => (await storage.agenda()).paused

    it('wait in the order in which they were asked for, until they are done', async () => {
      const redrive = await storage.addCommand('a', 'redrive')
      const confirm = await storage.addCommand('a', 'confirm')
      const other = await storage.addCommand('b', 'redrive')
      expect(redrive).toEqual({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        source: 'a',
        kind: 'redrive',
        asked_at: expect.stringMatching(/^\d{4}-.*Z$/),
        finished_at: null,
        outcome: null,
        detail: null,
        result: null
      })
      expect(Math.abs(Date.parse(redrive.asked_at) - Date.now())).toBeLessThan(NOW)
      expect(await waiting()).toEqual([redrive, confirm, other])
      await storage.finishCommand(confirm.id, { outcome: 'complete', detail: 'well', result: '{"a":1}' })
      expect(await waiting()).toEqual([redrive, other])
      expect(await storage.command('a', confirm.id)).toMatchObject({
        outcome: 'complete',
        detail: 'well',
        result: '{"a":1}',
        finished_at: expect.any(String)
      })
      expect(await storage.command('b', confirm.id)).toBeNull()
    })

    it('are done once: the second end of one is none', async () => {
      const { id } = await storage.addCommand('a', 'redrive')
      await storage.finishCommand(id, { outcome: 'complete', detail: null })
      await storage.finishCommand(id, { outcome: 'failed', detail: 'again' })
      expect(await storage.command('a', id)).toMatchObject({ outcome: 'complete', detail: null })
      expect(await storage.beginCommand(id)).toBeNull()
    })

    it('count how often they are begun', async () => {
      const { id } = await storage.addCommand('a', 'redrive')
      expect(await storage.beginCommand(id)).toBe(1)
      expect(await storage.beginCommand(id)).toBe(2)
      expect(await storage.beginCommand('there is none')).toBeNull()
    })

    it('are one, however many ask at once in however many processes; another once that is done', async () => {
      const others = [storage, await store.open(), await store.open()]
      for (const kind of ['redrive', 'confirm', 'dry_run', 'run'] as const) {
        const asked = await Promise.all(
          Array.from({ length: 30 }, (_, i) => others[i % others.length]!.addCommand('a', kind))
        )
        expect(new Set(asked.map(({ id }) => id)).size, kind).toBe(1)
        if (kind === 'run') continue
        await storage.finishCommand(asked[0]!.id, { outcome: 'complete', detail: null })
        expect((await storage.addCommand('a', kind)).id).not.toBe(asked[0]!.id)
      }
      expect((await storage.addCommand('b', 'redrive')).source).toBe('b')
    })

    it('to run are the same for a second, though that run is over', async () => {
      const add = () => storage.addCommand('a', 'run')
      for (let tookMs = 900; tookMs >= 900; ) {
        const started = performance.now()
        const first = await add()
        await storage.finishCommand(first.id, { outcome: 'complete', detail: null })
        const next = await add()
        tookMs = performance.now() - started
        // Less than a second by the clock of the storage, too.
        if (tookMs < 900) expect(next).toMatchObject({ id: first.id, outcome: 'complete' })
        await shiftTimes(driver, store.options, -1000)
        expect((await add()).id).not.toBe(first.id)
        await shiftTimes(driver, store.options, -1000)
      }
    })

    it('to pause and to resume are in force at once, the last of them, in every process', async () => {
      const other = await store.open()
      expect(await paused()).toEqual([])
      expect(await storage.addCommand('a', 'pause')).toMatchObject({ outcome: 'done', finished_at: expect.any(String) })
      await storage.addCommand('b', 'pause')
      expect((await other.agenda()).paused.sort()).toEqual(['a', 'b'])
      await other.addCommand('a', 'resume')
      expect(await paused()).toEqual(['b'])
      await storage.addCommand('a', 'pause')
      await storage.addCommand('a', 'pause')
      await storage.addCommand('b', 'resume')
      expect(await paused()).toEqual(['a'])
      expect(await waiting()).toEqual([])
    })

    it('are listed newest first, page by page, each source by itself', async () => {
      const asked = []
      for (let i = 0; i < 5; i++) asked.unshift(await storage.addCommand('a', i % 2 === 0 ? 'pause' : 'resume'))
      await storage.addCommand('b', 'pause')
      const first = await storage.commands('a', { limit: 3 })
      const second = await storage.commands('a', { limit: 3, after: first.next! })
      expect([...first.items, ...second.items]).toEqual(asked.map(({ result: _result, ...command }) => command))
      expect(second.next).toBeNull()
    })

    it('are listed without their results, which only the last ones keep', async () => {
      const ids: string[] = []
      for (let i = 0; i < MOST_RESULTS + 2; i++) {
        const { id } = await storage.addCommand('a', 'dry_run')
        await storage.finishCommand(id, { outcome: 'complete', detail: null, result: `"${i}"` })
        ids.push(id)
        await storage.addCommand('a', 'pause')
      }
      const listed: Partial<Command>[] = (await storage.commands('a', { limit: 100 })).items
      expect(listed).toHaveLength(2 * ids.length)
      expect(listed.filter(({ result }) => result !== undefined)).toEqual([])
      const kept = async () => {
        const results = []
        for (const id of ids) results.push((await storage.command('a', id))!.result)
        return results.filter((result) => result !== null)
      }
      const all = ids.map((_, i) => `"${i}"`)
      expect(await kept()).toEqual(all)
      await storage.prune({ runs: 1000 })
      expect(await kept()).toEqual(all.slice(2))
      await storage.prune({ runs: 1000 })
      expect(await kept()).toEqual(all.slice(2))
    })

    it('have the outcome of their run with its end', async () => {
      const { id } = await storage.addCommand('demo', 'run')
      const run = await startRun(storage, 'demo', 'fetch', id)
      expect(run.id).toBe(id)
      expect(await storage.run('demo', id)).toMatchObject({ id, outcome: null })
      await endRun(storage, run, { outcome: 'failed', reason: 'dns', detail: 'no such host' })
      expect(await storage.command('demo', id)).toMatchObject({ outcome: 'failed', detail: 'no such host' })
      expect(await waiting()).toEqual([])
      expect(await storage.run('other', id)).toBeNull()
    })

    it('whose process died make one run, begun anew, and nothing is counted for the first try', async () => {
      const { id } = await storage.addCommand('demo', 'run')
      const first = await startRun(storage, 'demo', 'fetch', id)
      await storage.releaseLease(first.lease)
      const second = await startRun(storage, 'demo', 'fetch', id)
      expect((await storage.runs('demo', { limit: 10 })).items).toMatchObject([{ id, outcome: null }])
      await expect(endRun(storage, first)).rejects.toMatchObject({ code: 'EVT_LEASE_LOST' })
      await endRun(storage, second)
      expect((await storage.runs('demo', { limit: 10 })).items).toMatchObject([{ id, outcome: 'complete' }])
      expect(await storage.runTotals()).toMatchObject([{ outcome: 'complete', runs: 1 }])
    })

    it('that nobody has done within a day are ended when it is pruned', async () => {
      const { id } = await storage.addCommand('a', 'redrive')
      await shiftTimes(driver, store.options, -86_000_000)
      await storage.prune({ runs: 10 })
      expect(await waiting()).toMatchObject([{ id }])
      await shiftTimes(driver, store.options, -1_000_000)
      await storage.prune({ runs: 10 })
      expect(await waiting()).toEqual([])
      const detail = expect.stringContaining('nobody did it within a day')
      expect(await storage.command('a', id)).toMatchObject({ outcome: 'aborted', detail })
      expect((await storage.addCommand('a', 'redrive')).id).not.toBe(id)
    })

    it('are pruned with the runs; but none that waits, nor what says that a source is paused', async () => {
      const pause = await storage.addCommand('a', 'pause')
      const waits = await storage.addCommand('a', 'redrive')
      const done = []
      for (let i = 0; i < 4; i++) {
        const { id } = await storage.addCommand('a', 'confirm')
        await storage.finishCommand(id, { outcome: 'complete', detail: null })
        done.unshift(id)
      }
      await storage.prune({ runs: 2 })
      const left = (await storage.commands('a', { limit: 10 })).items.map(({ id }) => id)
      expect(left).toEqual([done[0], done[1], waits.id, pause.id])
      expect(await paused()).toEqual(['a'])
    })
  })

  describe.skipIf(whyNot(driver) !== undefined)(`what a lease is taken for, on ${driver}`, () => {
    let store: TestStore
    let storage: Storage
    beforeEach(async () => {
      store = await createStore(driver)
      storage = store.storage
      return () => store.close()
    })
    const state = async (name = 'job') => (await storage.agenda()).leases.find((lease) => lease.name === name)

    it('the time is by the clock of the storage, and goes on', async () => {
      const { now } = await storage.agenda()
      expect(Math.abs(now - Date.now())).toBeLessThan(NOW)
      const lease = (await storage.takeLease('job', 'a', 60_000))!
      const first = lease.now().getTime()
      expect(first).toBeGreaterThanOrEqual(now)
      await sleep(50)
      const passed = lease.now().getTime() - first
      expect(passed).toBeGreaterThanOrEqual(45)
      expect(Math.abs((await storage.agenda()).now - lease.now().getTime())).toBeLessThan(1000)
    })

    it('is seen to once, by one of many', async () => {
      const others = [storage, await store.open(), await store.open()]
      const since = (await storage.agenda()).now
      const take = (i: number) => others[i % 3]!.takeLease('job', `t${i}`, 60_000, { since })
      let taken = 0
      for (let round = 0; round < 3; round++) {
        for (const lease of await Promise.all(Array.from({ length: 6 }, (_, i) => take(i)))) {
          if (lease === null) continue
          taken++
          await storage.releaseLease(lease)
        }
      }
      expect(taken).toBe(1)
      await sleep(5)
      const next = (await storage.agenda()).now
      expect(await storage.takeLease('job', 'b', 60_000, { since: next })).not.toBeNull()
    })

    it('of no occasion of its own leaves those that there are', async () => {
      const since = (await storage.agenda()).now
      await storage.releaseLease((await storage.takeLease('job', 'a', 60_000))!)
      expect(await state()).toMatchObject({ holder: null, attended_at: null })
      const lease = await storage.takeLease('job', 'a', 60_000, { since })
      expect(lease).not.toBeNull()
      expect(await state()).toMatchObject({ holder: 'a', token: lease!.token, attended_at: expect.any(Number) })
    })

    it('is taken over from a holder that vanished, once, and not from one that has ended', async () => {
      await storage.takeLease('job', 'a', 60_000, { since: (await storage.agenda()).now + 1 })
      expect(await storage.takeLease('job', 'b', 60_000, { abandoned: true })).toBeNull()
      await shiftTimes(driver, store.options, -61_000)
      expect(await state()).toMatchObject({ holder: 'a', unfinished: true })
      const over = await storage.takeLease('job', 'b', 60_000, { abandoned: true })
      expect(over).not.toBeNull()
      expect(await state()).toMatchObject({ vanished: 1 })
      await storage.releaseLease(over!)
      expect(await storage.takeLease('job', 'c', 60_000, { abandoned: true })).toBeNull()
      expect(await state()).toMatchObject({ holder: null, vanished: 0 })
    })

    it('counts holders that vanish in a row', async () => {
      for (const vanished of [0, 1, 2]) {
        await storage.takeLease('job', `t${vanished}`, 20)
        expect(await state()).toMatchObject({ vanished })
        await sleep(60)
      }
    })

    it('that is left unfinished is taken over at once, and that counts as no vanished one', async () => {
      const lease = (await storage.takeLease('job', 'a', 60_000, { since: (await storage.agenda()).now + 1 }))!
      await storage.releaseLease(lease, false)
      expect(await storage.renewLease(lease, 60_000)).toBe(false)
      expect(await storage.takeLease('job', 'b', 60_000, { abandoned: true })).not.toBeNull()
      expect(await state()).toMatchObject({ holder: 'b', vanished: 0 })
      await storage.releaseLease(lease, false)
      expect(await state()).toMatchObject({ holder: 'b' })
    })

    it('is taken and seen to though its times were written while the clock was a day ahead; not a minute ahead', async () => {
      const since = async () => ({ since: (await storage.agenda()).now + 1 })
      const first = (await storage.takeLease('job', 'a', 60_000, await since()))!
      await shiftTimes(driver, store.options, 60_000)
      expect(await storage.takeLease('job', 'b', 60_000, await since())).toBeNull()
      await shiftTimes(driver, store.options, 86_400_000)
      expect(await storage.renewLease(first, 60_000)).toBe(true)
      expect(await storage.takeLease('job', 'b', 60_000, await since())).toBeNull()
      await shiftTimes(driver, store.options, 86_400_000)
      const second = (await storage.takeLease('job', 'b', 60_000, await since()))!
      expect(second.token).toBeGreaterThan(first.token)
      await storage.releaseLease(second)
      await shiftTimes(driver, store.options, 86_400_000)
      expect(await storage.takeLease('job', 'c', 60_000, await since())).not.toBeNull()
    })

    it('stays unfinished while others have it for no occasion, and is done with the next one', async () => {
      const lease = (await storage.takeLease('job', 'a', 60_000, { since: (await storage.agenda()).now + 1 }))!
      await storage.releaseLease(lease, false)
      for (const isDone of [true, false]) {
        await storage.releaseLease((await storage.takeLease('job', 'b', 60_000))!, isDone)
        expect(await state()).toMatchObject({ holder: null, unfinished: true })
      }
      await sleep(5)
      const next = (await storage.takeLease('job', 'c', 60_000, { since: (await storage.agenda()).now }))!
      expect(await state()).toMatchObject({ holder: 'c', unfinished: true })
      await storage.releaseLease(next)
      expect(await state()).toMatchObject({ holder: null, unfinished: false })
      expect(await storage.takeLease('job', 'd', 60_000, { abandoned: true })).toBeNull()
    })
  })
}
