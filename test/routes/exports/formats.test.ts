import { parse as parseCsv } from 'csv-parse/sync'
import { parseAtomFeed } from 'feedsmith'
import ICAL from 'ical.js'
import nodeIcal from 'node-ical'
import { SaxesParser } from 'saxes'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRandom } from '../../../bench/kit/random.ts'
import { type Event, EventSchema } from '../../../storage/kit/event.ts'
import type { TestApp } from '../../helper.ts'
import { randomEvent } from '../../storage/oracle/random-records.ts'
import { createExports, from, HOSTILE_TITLES, shown } from './fixtures.ts'

const random = createRandom(3)
const HOSTILE = HOSTILE_TITLES.map((title, number) => shown(number, { title }))
/** Of many time zones, and on the days on which their clocks change; but what JavaScript's dates make of the year 1 is not it. */
const RANDOM = Array.from({ length: 300 }, () => shown(0, randomEvent(random))).filter(
  ({ start_date }) => start_date > '1000'
)
const EVENTS = [...HOSTILE, ...RANDOM]

let events: Event[]
let service: TestApp
beforeAll(async () => {
  service = await createExports(() => from(events))
  return () => service.close()
})
beforeEach(() => {
  events = EVENTS
})

async function read(path: string, headers: Record<string, string> = {}) {
  const response = await service.app.inject({ url: `/v1/api/${path}`, headers })
  expect([response.statusCode, response.statusCode === 200 || response.body]).toEqual([200, true])
  return response
}

describe('events.ics', () => {
  /** As a calendar program has it. */
  async function readCalendar() {
    const { body } = await read('events.ics')
    const calendar = new ICAL.Component(ICAL.parse(body))
    return { body, calendar, entries: calendar.getAllSubcomponents('vevent').map((entry) => new ICAL.Event(entry)) }
  }
  afterEach(() => ICAL.TimezoneService.reset())

  it('has each event under its id, at its time, with its title', async () => {
    const { entries } = await readCalendar()
    expect(entries.map(({ uid, summary }) => [uid, summary])).toEqual(EVENTS.map(({ id, title }) => [id, title]))
    const instants = entries.map(({ startDate }) => startDate.toJSDate().toISOString())
    expect(instants).toEqual(EVENTS.map(({ starts_at }) => new Date(starts_at).toISOString()))
  })

  it('ends events that end after they start', async () => {
    const { calendar } = await readCalendar()
    const ends = calendar.getAllSubcomponents('vevent').map((entry) => entry.getFirstPropertyValue('dtend'))
    const instants = ends.map((end) => (end === null ? null : (end as ICAL.Time).toJSDate().toISOString()))
    const expected = EVENTS.map(({ starts_at, ends_at }) => (ends_at !== null && ends_at > starts_at ? ends_at : null))
    expect(instants).toEqual(expected.map((end) => end && new Date(end).toISOString()))
  })

  it('opens in another program, too', async () => {
    const { body } = await read('events.ics')
    const found = nodeIcal.sync.parseICS(body)
    // It takes a backslash before an n for the end of a line, however it is written.
    const plain = HOSTILE.filter(({ title }) => !title.includes('\\n'))
    for (const { id, title } of plain) expect(found[id]).toMatchObject({ type: 'VEVENT', uid: id, summary: title })
  })

  it('folds lines by octets, between characters, and ends them with CRLF', async () => {
    const { body } = await readCalendar()
    expect(body.endsWith('END:VCALENDAR\r\n')).toBe(true)
    for (const line of body.split('\r\n')) {
      expect(line).not.toMatch(/[\r\n\uFFFD]|[\uD800-\uDFFF](?![\uDC00-\uDFFF])(?<![\uD800-\uDBFF][\uDC00-\uDFFF])/)
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75)
    }
  })

  it('tells each time zone once, before the first event that needs it', async () => {
    const { body } = await readCalendar()
    const told = new Set<string>()
    for (const line of body.replaceAll('\r\n ', '').split('\r\n')) {
      const zone = /^TZID:(.*)/.exec(line)?.[1]
      if (zone !== undefined) {
        expect(told).not.toContain(zone)
        told.add(zone)
      }
      const needed = /^DT(?:START|END);TZID=([^:]*):/.exec(line)?.[1]
      if (needed !== undefined) expect(told).toContain(needed)
    }
    expect(told).toContain('Australia/Lord_Howe')
  })

  it('grows the sequence with changes', async () => {
    const changed = ['2024-01-01T00:00:00.123Z', '2024-01-01T00:00:01.123Z', '2024-06-01T00:00:00.000Z']
    events = changed.map((updated_at) => shown(1, { updated_at }))
    const { entries } = await readCalendar()
    expect(entries.map(({ sequence }) => sequence)).toEqual([0, 1, 13_132_799])
  })

  it('cancels what was taken off before it began, and nothing else', async () => {
    const [start_date, starts_at] = ['2024-05-01T20:00:00', '2024-05-01T20:00:00Z']
    const off = (delisted_at: string) => shown(1, { start_date, starts_at, status: 'delisted', delisted_at })
    events = [shown(1), off('2024-05-01T19:59:59.999Z'), off('2024-05-01T20:00:00.000Z')]
    const { calendar } = await readCalendar()
    const statuses = calendar.getAllSubcomponents('vevent').map((entry) => entry.getFirstPropertyValue('status'))
    expect(statuses).toEqual(['CONFIRMED', 'CANCELLED', 'CONFIRMED'])
  })

  it('is a calendar where nothing is found', async () => {
    events = []
    const { calendar, entries } = await readCalendar()
    expect(entries).toEqual([])
    expect(calendar.getAllSubcomponents()).not.toEqual([])
  })
})

describe('events.csv', () => {
  it('has each value of each event', async () => {
    const { body } = await read('events.csv')
    const rows = parseCsv(body, { columns: true }) as Record<string, string>[]
    const text = (value: unknown) =>
      value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : `${value}`
    const withoutApostrophe = (row: Record<string, string>) => ({
      ...row,
      title: row.title!.replace(/^'(?=[=+@-])/, '')
    })
    expect(rows.map(withoutApostrophe)).toEqual(
      EVENTS.map((event) => Object.fromEntries(Object.entries(event).map(([name, value]) => [name, text(value)])))
    )
  })

  it('has no value that a spreadsheet would compute', async () => {
    const { body } = await read('events.csv')
    const values = (parseCsv(body) as string[][]).flat()
    expect(values.filter((value) => /^[=+\-@\t\r]/.test(value))).toEqual([])
  })

  it('names the columns where nothing is found', async () => {
    events = []
    expect((await read('events.csv')).body).toBe(`${Object.keys(EventSchema.properties).join(',')}\r\n`)
  })
})

describe('events.ndjson', () => {
  it('has an event a line', async () => {
    const { body } = await read('events.ndjson')
    expect(body.endsWith('\n')).toBe(true)
    const lines = body.slice(0, -1).split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual(EVENTS)
  })

  it('is empty where nothing is found', async () => {
    events = []
    expect((await read('events.ndjson')).body).toBe('')
  })
})

describe('events.atom', () => {
  it('has each event as an entry', async () => {
    const { body } = await read('events.atom')
    const feed = parseAtomFeed(body)
    expect(feed.entries?.map(({ id, title, updated }) => [id, title?.value?.trim(), updated])).toEqual(
      EVENTS.map(({ id, title, updated_at }) => [`urn:uuid:${id}`, title.trim(), updated_at])
    )
    expect(feed.entries?.[0]?.links?.[0]).toMatchObject({ rel: 'alternate', href: `/v1/api/events/${EVENTS[0]!.id}` })
  })

  it('has what a feed must have, and is XML by the letter', async () => {
    events = [shown(1, { title: 'never \u0001 \uFFFF \uD800 there' })]
    const { body } = await read('events.atom')
    const feed = parseAtomFeed(body)
    expect(feed).toMatchObject({
      title: { value: 'Events' },
      updated: shown(1).updated_at,
      authors: [{ name: 'Event Service' }]
    })
    expect(feed.id).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const parser = new SaxesParser({ xmlns: true })
    parser.on('error', (error) => {
      throw error
    })
    parser.write(body).close()
  })

  it('is the same feed for the same query, and believes no host', async () => {
    const link = (body: string) => parseAtomFeed(body).links?.find(({ rel }) => rel === 'self')?.href
    const one = (await read('events.atom?source=demo&q=a%26b', { host: 'elsewhere.example' })).body
    const other = (await read('events.atom?q=a%26b&source=demo')).body
    expect(link(one)).toBe('/v1/api/events.atom?match=within&q=a%26b&sort=start&source=demo')
    expect(other).toBe(one)
    expect(one).not.toContain('elsewhere.example')
    expect(parseAtomFeed((await read('events.atom')).body).id).not.toBe(parseAtomFeed(one).id)
  })
})
