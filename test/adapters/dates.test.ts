import { describe, expect, it } from 'vitest'
import { isDate, isLocalDateTime, toInstant } from '../../adapters/kit/dates.ts'

describe('dates', () => {
  it('are those of the calendar', () => {
    for (const date of ['2021-09-30', '2024-02-29', '2000-02-29', '0001-01-01', '9999-12-31'])
      expect(isDate(date)).toBe(true)
    const wrong = ['2021-09-31', '2023-02-29', '1900-02-29', '0000-01-01', '2021-13-01', '2021-00-10', '2021-01-00']
    for (const date of [...wrong, '2021-1-1', '21-01-01', ' 2021-01-01', '2021-01-01 ', '２021-01-01', '']) {
      expect(isDate(date), date).toBe(false)
    }
  })

  it('have times of the day', () => {
    for (const time of ['00:00:00', '23:59:59']) expect(isLocalDateTime(`2021-06-30T${time}`)).toBe(true)
    for (const time of ['24:00:00', '23:60:00', '23:59:60', '9:00:00', '09:00', '09:00:00Z', '09:00:00.0', '']) {
      expect(isLocalDateTime(`2021-06-30T${time}`), time).toBe(false)
    }
    expect(isLocalDateTime('2021-06-30 09:00:00')).toBe(false)
    expect(isLocalDateTime('2021-09-31T20:00:00')).toBe(false)
  })
})

describe('an instant', () => {
  const cases: [string, string, string, string][] = [
    ['in UTC', '2021-06-30T21:00:00', 'UTC', '2021-06-30T21:00:00Z'],
    ['in summer', '2021-06-30T21:00:00', 'Europe/Madrid', '2021-06-30T19:00:00Z'],
    ['in winter', '2021-02-10T20:00:00', 'Europe/Madrid', '2021-02-10T19:00:00Z'],
    ['before the clocks go forward', '2021-03-28T01:59:59', 'Europe/Madrid', '2021-03-28T00:59:59Z'],
    ['that the zone skips', '2021-03-28T02:30:00', 'Europe/Madrid', '2021-03-28T01:30:00Z'],
    ['after the clocks went forward', '2021-03-28T03:00:00', 'Europe/Madrid', '2021-03-28T01:00:00Z'],
    ['that the zone has twice', '2021-10-31T02:30:00', 'Europe/Madrid', '2021-10-31T00:30:00Z'],
    ['after the clocks went back', '2021-10-31T03:00:00', 'Europe/Madrid', '2021-10-31T02:00:00Z'],
    ['with half an hour of daylight saving', '2021-04-04T01:45:00', 'Australia/Lord_Howe', '2021-04-03T14:45:00Z'],
    ['far in the east', '2021-01-01T00:00:00', 'Pacific/Kiritimati', '2020-12-31T10:00:00Z'],
    ['on the day that Samoa skipped', '2011-12-30T12:00:00', 'Pacific/Apia', '2011-12-30T22:00:00Z'],
    ['before there were zones', '1890-01-01T00:00:00', 'Europe/Paris', '1889-12-31T23:50:39Z']
  ]
  for (const [name, local, zone, instant] of cases) {
    it(`${name}: ${local} ${zone}`, () => expect(toInstant(local, zone)).toBe(instant))
  }

  it('is null outside of the years 1 to 9999', () => {
    expect(toInstant('0001-01-01T00:00:00', 'Asia/Tokyo')).toBeNull()
    expect(toInstant('9999-12-31T23:59:59', 'America/New_York')).toBeNull()
  })
})
