import { describe, expect, it } from 'vitest'
import { writeEvent, writeFeed } from '../provider/feeds.ts'
import { BAD_DATES } from './bad-dates.ts'
import { startListed } from './listed.ts'
import { recordHazard } from './record.ts'

describe('a bad record', () => {
  it('in 10 000 costs itself, and is kept with its reason, its path and its raw text', async ({ task }) => {
    await using listed = await startListed()
    const { provider, service } = listed
    const bad = { event_start_date: '2035-02-30T20:00:00' }
    provider.serve(writeFeed(Array.from({ length: 10_000 }, (_, i) => writeEvent(i + 1, i === 4321 ? bad : {}))))
    const { counts, outcome } = await service.ingest('demo')
    const rejects = (await service.get('/v1/api/sources/demo/rejects')).body.data
    recordHazard(task, {
      hazard: 'one bad record in 10 000',
      expected: '9 999 stored, 1 rejected with reason, path and raw',
      figure: `${counts.created + counts.unchanged} / ${rejects.length}`
    })
    expect({ outcome, ...counts }).toMatchObject({ outcome: 'complete', created: 9989, unchanged: 10, rejected: 1 })
    expect(rejects).toHaveLength(1)
    expect(rejects[0]).toMatchObject({
      reason: 'start_date "2035-02-30T20:00:00" is not a date of the calendar, YYYY-MM-DDTHH:MM:SS',
      path: '/eventList/output/base_event[4322]/event[1]',
      raw: expect.stringContaining('event_start_date="2035-02-30T20:00:00"')
    })
  })
})

describe('a date that is none', () => {
  const toXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('\n', '&#10;')

  it('becomes no other one, in a feed or in a query', async ({ task }) => {
    expect(new Set(BAD_DATES).size).toBe(40)
    await using listed = await startListed()
    const { provider, service } = listed
    const fields = ['event_start_date', 'event_end_date', 'sell_from', 'sell_to']
    const events = BAD_DATES.flatMap((date, i) =>
      fields.map((field) => writeEvent(`${field}-${i}`, { [field]: toXml(date) }))
    )
    provider.serve(writeFeed([...Array.from({ length: 10 }, (_, i) => writeEvent(i + 1)), ...events]))
    const run = await service.ingest('demo')
    const stored = await service.events()
    const rolledOver = stored.length - 10
    const seventies = stored.filter((event) => JSON.stringify(event).includes('"1970-')).length

    const statuses: number[] = []
    for (const date of BAD_DATES) {
      for (const parameter of ['start_date', 'end_date']) {
        statuses.push((await service.get(`/v1/api/events?${parameter}=${encodeURIComponent(date)}`)).status)
      }
    }
    const refused = statuses.filter((status) => status === 400).length
    const faults = statuses.filter((status) => status >= 500).length
    recordHazard(task, {
      hazard: '40 bad dates in feed (4 fields) and query (2 parameters)',
      expected: 'reject / 400',
      figure: `rejected ${run.counts.rejected} of 160, 400 ${refused} of 80, rolled over ${rolledOver}, 1970s ${seventies}, 5xx ${faults}`
    })
    expect(run).toMatchObject({ outcome: 'complete', counts: { unchanged: 10, created: 0, rejected: 160 } })
    expect([rolledOver, seventies, faults]).toEqual([0, 0, 0])
    expect(statuses).toEqual(statuses.map(() => 400))
  })
})
