import { describe, expect, it } from 'vitest'
import { parseBound, parseTime } from '../../../routes/kit/bounds.ts'

const NOW = Date.parse('2024-03-30T23:30:15.250Z')
const bound = (text: string, side: 'from' | 'to' = 'from', tz: string | null = null, now = NOW) => {
  const { clock, at } = parseBound('start_date', text, side, { now, tz })
  return `${clock} ${at}`
}

describe('a bound', () => {
  it('is a wall-clock time where the event is, or an instant', () => {
    expect(bound('2021-06-30T21:00:00')).toBe('local 2021-06-30T21:00:00')
    expect(bound('2021-06-30T21:00:00', 'from', 'Asia/Tokyo')).toBe('local 2021-06-30T21:00:00')
    expect(bound('2021-06-30T21:00:00+02:00')).toBe('utc 2021-06-30T19:00:00Z')
    expect(bound('2021-06-30T21:00:00 02:00')).toBe('utc 2021-06-30T19:00:00Z')
    expect(bound('2021-06-30t21:00:00z')).toBe('utc 2021-06-30T21:00:00Z')
  })

  it('has no fraction of a second: a first one begins after it, a second one ends before', () => {
    expect(bound('2021-06-30T21:00:00.001Z')).toBe('utc 2021-06-30T21:00:01Z')
    expect(bound('2021-06-30T21:00:00.999Z', 'to')).toBe('utc 2021-06-30T21:00:00Z')
  })

  it('that is a day is one where the event is, or in the time zone that is asked for', () => {
    expect(bound('2021-06-30')).toBe('local 2021-06-30T00:00:00')
    expect(bound('2021-06-30', 'to')).toBe('local 2021-06-30T23:59:59')
    expect(bound('2021-06-30', 'from', 'Europe/Madrid')).toBe('utc 2021-06-29T22:00:00Z')
    expect(bound('2021-06-30', 'to', 'Europe/Madrid')).toBe('utc 2021-06-30T21:59:59Z')
  })

  it.each([
    ['23 hours', '2024-03-31', 'Europe/Madrid', 23],
    ['25 hours', '2024-10-27', 'Europe/Madrid', 25],
    ['23.5 hours, by half an hour', '2024-10-06', 'Australia/Lord_Howe', 23.5],
    ['23 hours, without a midnight', '2018-11-04', 'America/Sao_Paulo', 23]
  ])('that is a day of %s is that long', (_what, day, tz, hours) => {
    const [from, to] = (['from', 'to'] as const).map((side) => Date.parse(bound(day, side, tz).slice(4)))
    expect((to! + 1000 - from!) / 3_600_000).toBe(hours)
  })

  it('can be counted from now', () => {
    expect(bound('now')).toBe('utc 2024-03-30T23:30:15Z')
    expect(bound('+12h')).toBe('utc 2024-03-31T11:30:15Z')
    expect(bound(' 12h')).toBe('utc 2024-03-31T11:30:15Z')
    expect(bound('-2w')).toBe('utc 2024-03-16T23:30:15Z')
    // There it is half past midnight, and the day after begins with summer time: a day is 23 hours, by the same clock.
    expect(bound('+1d', 'from', 'Europe/Madrid')).toBe('utc 2024-03-31T22:30:15Z')
    expect(bound('+24h', 'from', 'Europe/Madrid')).toBe('utc 2024-03-31T23:30:15Z')
  })

  it('can be today, yesterday or tomorrow: those of UTC, or of the time zone', () => {
    expect(bound('today')).toBe('local 2024-03-30T00:00:00')
    expect(bound('tomorrow', 'to')).toBe('local 2024-03-31T23:59:59')
    expect(bound('yesterday')).toBe('local 2024-03-29T00:00:00')
    expect(bound('today', 'from', 'Europe/Madrid')).toBe('utc 2024-03-30T23:00:00Z')
    expect(bound('today', 'to', 'Europe/Madrid')).toBe('utc 2024-03-31T21:59:59Z')
    expect(bound('today', 'from', 'America/Los_Angeles')).toBe('utc 2024-03-30T07:00:00Z')
  })

  it.each([
    ...['', ' ', 'noon', 'Today', 'now+1d', '+d', '+1', '7d', '+1.5d', '+1y', '+999999d', '+999999w', '2021-02-30'],
    ...['2021-06-30T24:00:00', '2021-06-30T21:00', '20210630', '2021-06-30T21:00:00+25:00', '__proto__', 'toString']
  ])('is not %j', (text) => {
    expect(() => bound(text)).toThrow('start_date cannot be')
  })
})

describe('a time', () => {
  it('is an instant, to the millisecond, or counted from now', () => {
    const time = (text: string) => parseTime(text, { now: NOW, tz: null })
    expect(time('2021-06-30T21:00:00.1239+02:00')).toBe('2021-06-30T19:00:00.123Z')
    expect(time('now')).toBe('2024-03-30T23:30:15.250Z')
    expect(time('-1h')).toBe('2024-03-30T22:30:15.250Z')
    for (const text of ['2021-06-30T21:00:00', '2021-06-30', 'today', '']) expect(time(text)).toBeNull()
  })
})
