import type { EventRecord, ZoneRecord } from '../../../adapters/kit/contract.ts'
import type { Random } from '../../../bench/kit/random.ts'
import { checkRecord } from '../../../plugins/ingest/check.ts'
import type { EventContent } from '../../../storage/kit/event.ts'
import { happens, pick } from './pick.ts'

export const SOURCES = ['alpha', 'beta', 'gamma-2']
export const BASE_EVENTS = 40
export const ORGANIZERS = ['1', '2', "o'brien", '$ne', '10']

/** Whole and half hours from UTC, both edges of the world, clocks that move by one hour and by a half. */
const TIME_ZONES = [
  'UTC',
  'Europe/Madrid',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Pacific/Kiritimati',
  'Pacific/Pago_Pago'
]
/** Of 23, 25, 23.5 and 24.5 hours, those beside them, a leap day, and the edges of the calendar. */
export const DAYS = [
  '2024-03-10',
  '2024-03-30',
  '2024-03-31',
  '2024-04-01',
  '2024-04-07',
  '2024-10-06',
  '2024-10-26',
  '2024-10-27',
  '2024-10-28',
  '2024-11-03',
  '2024-02-29',
  '1969-12-31',
  '0001-01-02',
  '9999-12-30'
]
/** Few, so that events tie. Those around the hour that a day skips or has twice. */
export const TIMES = ['00:00:00', '00:30:00', '01:30:00', '02:00:00', '02:30:00', '02:59:59', '03:00:00', '20:00:00']
const HOUR = 3600
const DURATIONS = [0, 1, HOUR, 2 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 7 * 24 * HOUR + 1, 30 * 24 * HOUR, 400 * 24 * HOUR]

/** Also such as fold to one another, mean something to a query language, or sort otherwise as bytes than as UTF-16. */
export const TITLE_WORDS = [
  ...['Canción', 'CANCION', 'canciones', 'Rock', 'rock', 'rocker', 'the', 'The', 'Straße', 'STRASSE', 'ΟΔΟΣ', 'οδός'],
  ...['İstanbul', 'Łódź', 'ﬁn', 'Ｆｉｎ', '東京', 'עברית', "d'or", 'a-ha', '100%', 'x_y', '"OR"', 'NOT', 'near', 'a*'],
  ...['$gt', '.*', '(a|b)', '\\d', '🎭', '\uE000', '１２', '12', 'café', 'cafe\u0301s']
]
/** Equal beyond what a key of titles keeps. */
const LONG = 'Long '.repeat(20)
export const ZONE_NAMES = ['Platea', 'PLATÉA alta', 'Pit', 'pit (b)', '100%_', 'Anfiteatro 1', '.*', '🎭 box', '']
export const PRICES = ['0', '0.1', '5', '10', '10.00', '10.5', '12.5', '30', '999999999']
export const CAPACITIES = ['0', '0', '1', '10', '500', '999999999']

/** An event as it comes out of the checks. @param like only these of its values stay */
export function randomEvent(random: Random, like?: Pick<EventContent, 'source' | 'base_event_id' | 'event_id'>) {
  for (;;) {
    const { name, record } = like
      ? { name: like.source, record: { ...randomRecord(random), ...identity(like) } }
      : { name: pick(random, SOURCES), record: randomRecord(random) }
    const { event } = checkRecord(record, { name, timezone: pick(random, TIME_ZONES) })
    // Those whose instant lies in no year are refused.
    if (event !== undefined) return event
  }
}

/** The same, with some of its values other ones. */
export function changeEvent(random: Random, event: EventContent): EventContent {
  const other = randomEvent(random, event)
  const { zones, min_price, max_price, title, sold_out, sell_mode } = other
  const changes = [other, { zones, min_price, max_price }, { title }, { sold_out }, { sell_mode }]
  return { ...event, ...pick(random, changes) }
}

const identity = ({ base_event_id, event_id }: Pick<EventContent, 'base_event_id' | 'event_id'>) => ({
  base_event_id,
  event_id
})

function randomRecord(random: Random): EventRecord {
  const start_date = randomTime(random)
  const maybe = (percent: number, value: string) => (happens(random, percent) ? value : undefined)
  return {
    base_event_id: `b${random(BASE_EVENTS)}`,
    event_id: `e${random(60)}`,
    title: randomTitle(random),
    sell_mode: happens(random, 70) ? 'online' : 'offline',
    organizer_company_id: maybe(60, pick(random, ORGANIZERS)),
    start_date,
    end_date: maybe(70, addSeconds(start_date, pick(random, DURATIONS))),
    sell_from: maybe(50, randomTime(random)),
    sell_to: maybe(50, randomTime(random)),
    sold_out: String(happens(random, 20)),
    zones: Array.from({ length: random(4) }, () => randomZone(random))
  } as EventRecord
}

function randomZone(random: Random): ZoneRecord {
  return {
    zone_id: String(random(2)),
    name: pick(random, ZONE_NAMES),
    capacity: pick(random, CAPACITIES),
    price: pick(random, PRICES),
    numbered: String(happens(random, 50))
  }
}

export function randomTime(random: Random): string {
  return `${pick(random, DAYS)}T${pick(random, TIMES)}`
}

function randomTitle(random: Random): string {
  const words = Array.from({ length: 1 + random(3) }, () => pick(random, TITLE_WORDS)).join(' ')
  return happens(random, 5) ? LONG + words : words
}

export function addSeconds(time: string, seconds: number): string {
  return new Date(Date.parse(`${time}Z`) + seconds * 1000).toISOString().slice(0, 19)
}
