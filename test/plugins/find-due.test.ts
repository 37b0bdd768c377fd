import { describe, expect, it } from 'vitest'
import type { JobDefinition } from '../../plugins/jobs/kit/contract.ts'
import { findDue } from '../../plugins/scheduler/find-due.ts'
import type { Source } from '../../plugins/sources.ts'
import type { Agenda, LeaseState } from '../../storage/kit/contract.ts'

const at = (text: string) => Date.parse(text)
const HOUR = 3_600_000
const START = at('2026-05-01T10:02:00Z')

const job = (changes: Partial<JobDefinition> = {}): JobDefinition => ({
  name: 'source:demo',
  cron: '*/5 * * * *',
  timeoutMs: 60_000,
  source: { name: 'demo', backoff_cap: 900, retry_after_cap: 3600 } as Source,
  run: async () => undefined,
  ...changes
})
const lease = (changes: Partial<LeaseState> = {}): LeaseState => ({
  ...{ name: 'source:demo', holder: null, token: 1, taken_at: START, expires: START + 15_000 },
  ...{ attended_at: null, unfinished: false, vanished: 0, ...changes }
})
const agenda = (now: number, changes: Partial<Agenda> = {}): Agenda => ({
  ...{ now, leases: [], circuits: [], paused: [], commands: [], ...changes }
})
const spared = (retry_at: number, failures = 1) => ({
  circuits: [{ source: 'demo', circuit: { failures, retry_at: new Date(retry_at).toISOString() } }]
})

describe('what is due', () => {
  it('is its cron, once each time', () => {
    expect(findDue(job(), agenda(at('2026-05-01T10:04:59.999Z')), START)).toBeNull()
    const tick = at('2026-05-01T10:05:00Z')
    expect(findDue(job(), agenda(tick), START)).toEqual({ since: tick })
    const attended = { leases: [lease({ attended_at: tick + 300 })] }
    expect(findDue(job(), agenda(tick + 400, attended), START)).toBeNull()
    expect(findDue(job(), agenda(tick + 300_000, attended), START)).toEqual({ since: tick + 300_000 })
  })

  it('is once what came several times while nobody could', () => {
    const attended = lease({ attended_at: START + 1000 })
    const now = START + 3 * HOUR
    expect(findDue(job(), agenda(now, { leases: [attended] }), START)).toEqual({ since: at('2026-05-01T10:05:00Z') })
    expect(findDue(job(), agenda(now + 1, { leases: [{ ...attended, attended_at: now }] }), START)).toBeNull()
  })

  it('is the start, if it is to be run then, unless another process has just done that', () => {
    expect(findDue(job({ atStart: true }), agenda(START), START)).toEqual({ since: START })
    expect(findDue(job(), agenda(START), START)).toBeNull()
    const attended = (attended_at: number) => agenda(START + 500, { leases: [lease({ attended_at })] })
    expect(findDue(job({ atStart: true }), attended(START + 100), START)).toBeNull()
    expect(findDue(job({ atStart: true }), attended(START - HOUR), START)).toEqual({ since: START })
  })

  it('is not what its cron missed before the start', () => {
    const long = lease({ attended_at: START - 24 * HOUR })
    expect(findDue(job(), agenda(START + 1000, { leases: [long] }), START)).toBeNull()
  })

  it('is again what failed here, but not while its source is paused or somebody is at it', () => {
    const now = START + 1000
    const retry = { since: START + 500 }
    expect(findDue(job(), agenda(now), START, retry)).toEqual(retry)
    expect(findDue(job(), agenda(now, { paused: ['demo'] }), START, retry)).toBeNull()
    expect(findDue(job(), agenda(now, { leases: [lease({ holder: 'b' })] }), START, retry)).toBeNull()
  })

  it('is nothing while somebody is at it, and what was left is due at once', () => {
    const held = lease({ holder: 'a', attended_at: START + HOUR, unfinished: true, expires: START + HOUR + 5 })
    expect(findDue(job(), agenda(START + HOUR, { leases: [held] }), START)).toBeNull()
    expect(findDue(job(), agenda(START + HOUR + 5, { leases: [held] }), START)).toEqual({ abandoned: true })
    // What was left is a command, which is done by whoever finds it; of the job there is no more than its cron.
    const command = { leases: [{ ...held, unfinished: false }] }
    expect(findDue(job(), agenda(START + HOUR + 5, command), START + HOUR)).toBeNull()
    // Or somebody has had the lease for a command since, and gave it back.
    const between = { leases: [{ ...held, holder: null }] }
    expect(findDue(job(), agenda(START + HOUR + 1, between), START)).toEqual({ abandoned: true })
  })

  it('is not put off by times that were written while the clock was a day ahead', () => {
    const tick = at('2026-05-01T10:05:00Z')
    const ahead = lease({ holder: 'a', attended_at: START + 24 * HOUR, expires: START + 24 * HOUR })
    expect(findDue(job(), agenda(tick - 1, { leases: [ahead] }), START)).toBeNull()
    expect(findDue(job(), agenda(tick, { leases: [ahead] }), START)).toEqual({ since: tick })
  })

  it('is left to the cron when the job has ended three processes in a row', () => {
    const vanished = lease({ holder: 'a', attended_at: START, unfinished: true, vanished: 3 })
    expect(findDue(job(), agenda(START + 60_000, { leases: [vanished] }), START)).toBeNull()
    const tick = at('2026-05-01T10:05:00Z')
    expect(findDue(job(), agenda(tick, { leases: [vanished] }), START)).toEqual({ since: tick })
  })

  it('is nothing while its source is paused, and what was missed once that is over', () => {
    const tick = at('2026-05-01T10:05:00Z')
    const left = lease({ holder: 'a', attended_at: START, unfinished: true, expires: START })
    expect(findDue(job({ atStart: true }), agenda(tick, { leases: [left], paused: ['demo'] }), START)).toBeNull()
    expect(findDue(job(), agenda(tick, { paused: ['other'] }), START)).toEqual({ since: tick })
  })

  it('is a retry at its time, and neither cron nor start before', () => {
    const retryAt = START + 600_000
    expect(findDue(job({ atStart: true }), agenda(retryAt - 1, spared(retryAt)), START)).toBeNull()
    expect(findDue(job(), agenda(retryAt, spared(retryAt)), START)).toEqual({ since: retryAt })
    const tried = { leases: [lease({ attended_at: retryAt + 10 })], ...spared(retryAt) }
    expect(findDue(job(), agenda(retryAt + 20, tried), START)).toBeNull()
    // It ended without a word of how: the cron goes on.
    expect(findDue(job(), agenda(retryAt + 600_000, tried), START)).toEqual({ since: at('2026-05-01T10:15:00Z') })
  })

  it('is not waited for where it is further away than any can be', () => {
    const tick = at('2026-05-01T10:05:00Z')
    expect(findDue(job(), agenda(tick, spared(at('2199-01-01T00:00:00Z'))), START)).toEqual({ since: tick })
  })

  it('is by the clock of its time zone, also where that is changed', () => {
    const daily = job({ cron: '30 2 * * *', timezone: 'Europe/Madrid' })
    const due = (from: string) => {
      const found = findDue(daily, agenda(at(from) + 48 * HOUR), at(from))
      return found && 'since' in found ? new Date(found.since).toISOString() : null
    }
    expect(due('2026-03-27T12:00:00Z')).toBe('2026-03-28T01:30:00.000Z')
    // 02:30 is no time of 29 March; the night has its run all the same.
    expect(due('2026-03-28T12:00:00Z')).toMatch(/^2026-03-29T01:(00|30):00\.000Z$/)
    expect(due('2026-03-29T12:00:00Z')).toBe('2026-03-30T00:30:00.000Z')
    // 02:30 comes twice on 25 October; the run does not.
    expect(due('2026-10-24T12:00:00Z')).toBe('2026-10-25T00:30:00.000Z')
    expect(due('2026-10-25T00:30:00.400Z')).toBe('2026-10-26T01:30:00.000Z')
  })

  it('is never what a cron that never comes says', () => {
    expect(findDue(job({ cron: '0 0 30 2 *' }), agenda(START + 1e12), START)).toBeNull()
  })
})
