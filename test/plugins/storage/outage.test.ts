import { beforeEach, expect, it } from 'vitest'
import { createOutage, type Outage } from '../../../plugins/storage/outage.ts'
import { StorageUnavailable, StorageUnusable } from '../../../storage/kit/errors.ts'
import { createLog, type LogLine } from '../create-log.ts'

const MINUTE = 60_000

let now: number
let lines: LogLine[]
let outage: Outage
beforeEach(() => {
  now = 0
  const created = createLog()
  lines = created.lines
  outage = createOutage('writing', created.log, () => now)
})
const fail = (operation: string, after = 0, failure: Error = new StorageUnavailable('no route')) => {
  now += after
  outage.note({ operation, failure })
}
const succeed = (operation: string, after = 0) => {
  now += after
  outage.note({ operation, failure: undefined })
}
const said = () => lines.map(({ level, operation, out_s }) => [level, operation, out_s])

it('an outage is said when it begins and when it is over, however many calls fail', () => {
  for (let i = 0; i < 1000; i++) fail('write', 10)
  expect(outage.isOut).toBe(true)
  succeed('write', 2000)
  expect(outage.isOut).toBe(false)
  expect(lines).toMatchObject([
    { level: 40, storage: 'writing', operation: 'write', reason: 'no route', out_s: 0 },
    { level: 30, storage: 'writing', out_s: 12, msg: 'the storage can be written again' }
  ])
  expect(lines[0]!.msg).toContain('mend the storage')
})

it('that it lasts is said every five minutes', () => {
  for (let second = 0; second <= 12 * 60; second++) fail('write', second === 0 ? 0 : 1000)
  expect(said()).toEqual([
    [40, 'write', 0],
    [40, 'write', 300],
    [40, 'write', 600]
  ])
})

it('what goes on working, as small changes do on a full disk, does not end it', () => {
  fail('write')
  for (let i = 0; i < 60; i++) {
    succeed('takeLease', 1000)
    fail('write', 1000)
  }
  expect(outage.isOut).toBe(true)
  expect(said()).toEqual([[40, 'write', 0]])
})

it('one that comes and goes is one, and is said to last when it does', () => {
  for (let i = 0; i < 100; i++) {
    fail('find', 100)
    succeed('find', 100)
  }
  expect(said()).toEqual([
    [40, 'find', 0],
    [30, undefined, 0.1]
  ])
  fail('find', 5 * MINUTE)
  expect(lines).toHaveLength(3)
})

it('what failed and is never tried again does not last for ever', () => {
  fail('prune')
  succeed('write', 14 * MINUTE)
  expect(outage.isOut).toBe(true)
  succeed('write', 2 * MINUTE)
  expect(outage.isOut).toBe(false)
})

it('what only a person can mend is fatal', () => {
  fail('migrate', 0, new StorageUnusable('written by a newer version'))
  expect(lines).toMatchObject([{ level: 60, reason: 'written by a newer version' }])
})

it('what failed and is never tried again is not said to be out for ever', () => {
  fail('addCommand')
  now += 15 * MINUTE
  expect(outage.isOut).toBe(true)
  now += 1
  expect(outage.isOut).toBe(false)
})
