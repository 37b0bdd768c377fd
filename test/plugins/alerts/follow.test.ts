import { expect, it } from 'vitest'
import type { Finding } from '../../../plugins/alerts/findings.ts'
import { afterFailing, afterTelling, beforeTelling, follow, isDue } from '../../../plugins/alerts/follow.ts'
import type { Alert } from '../../../storage/kit/alert.ts'

const NOW = new Date('2026-11-24T03:00:00Z')
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)
const finding = (since: Date | null, source = 'demo'): Finding => ({ source, kind: 'failing', since })
const begin = (since = NOW): Alert => follow([], [finding(since)], NOW)[0]!

it('what fails is tried again ever later, five minutes at most, for as long as it takes', () => {
  let alert = begin()
  const waits: number[] = []
  for (let i = 0; i < 8; i++) {
    alert = afterFailing(alert, true, NOW)
    const wait = (Date.parse(alert.retry_at!) - NOW.getTime()) / 1000
    waits.push(wait)
    expect(isDue(alert, later(wait - 0.001))).toBe(false)
    expect(isDue(alert, later(wait))).toBe(true)
  }
  expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300, 300])
  expect(afterFailing({ ...alert, failures: 5000 }, true, NOW).retry_at).toBe(later(300).toISOString())
})

it('what begins later is told then, or never', () => {
  const alert = begin(later(60))
  expect([isDue(alert, later(59)), isDue(alert, later(60))]).toEqual([false, true])
  expect(follow([alert], [finding(null)], later(59))).toEqual([])
})

it('goes on as the same one, from when it began, until its end may have been heard', () => {
  const told = afterTelling(begin())!
  expect(isDue(told, later(9999))).toBe(false)
  expect(follow([told], [finding(later(30))], later(30))).toEqual([told])

  const [ended] = follow([told], [finding(null)], later(60))
  expect(ended).toEqual({ ...told, ended_at: later(60).toISOString() })
  expect(isDue(ended!, later(60))).toBe(true)
  expect(afterTelling(ended!)).toBeUndefined()
  // The receiver has heard of neither.
  expect(follow([afterFailing(ended!, true, NOW)], [finding(later(90))], later(90))).toEqual([told])

  const [again] = follow([beforeTelling(ended!)], [finding(later(90))], later(90))
  expect(again).toMatchObject({ since: later(90).toISOString(), begin_told: 'no', end_told: 'no', ended_at: null })
  expect(again!.id).not.toBe(told.id)
})

it('is over without a word where nobody can have heard of it', () => {
  expect(follow([afterFailing(begin(), true, NOW)], [finding(null)], NOW)).toEqual([])
  expect(follow([afterFailing(begin(), false, NOW)], [finding(null)], NOW)).toMatchObject([{ begin_told: 'maybe' }])
})

it('stays as it is where its source is not looked at', () => {
  const alerts = [begin(), afterTelling(begin())!]
  expect(follow(alerts, [finding(null, 'other')], NOW)).toEqual(alerts)
})
