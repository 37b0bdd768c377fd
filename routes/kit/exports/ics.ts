import ICAL from 'ical.js'
import type { Event } from '../../../storage/kit/event.ts'
import type { ExportFormat, ExportWriter } from './format.ts'
import { type Component, isPlain, toTimezone } from './vtimezone.ts'

// It does not count the blank at the beginning of a continued line.
ICAL.foldLength = 74

export default {
  extension: 'ics',
  summary: 'Events as a calendar',
  description:
    'RFC 5545, with the `id` as UID, a SEQUENCE that grows with changes, and a VTIMEZONE before the first event of each ' +
    'time zone. Events that were taken off before they began are CANCELLED: that is how calendars stop announcing them. ' +
    'Those that were taken off later have taken place.',
  mediaType: 'text/calendar',
  parameters: 'charset=utf-8',
  isAttachment: true,
  write: writeCalendar
} satisfies ExportFormat

const HEAD = [
  ...['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//Event Service//Events//EN', 'CALSCALE:GREGORIAN', 'NAME:Events'],
  ...['X-WR-CALNAME:Events', 'REFRESH-INTERVAL;VALUE=DURATION:PT1H', '']
].join('\r\n')

function writeCalendar(): ExportWriter {
  const zones = new Set<string>()
  const writeZone = (zone: string) => {
    if (zones.has(zone)) return ''
    zones.add(zone)
    return toText(toTimezone(zone))
  }
  let isEmpty = true
  return {
    begin: () => HEAD,
    event(event) {
      isEmpty = false
      const zone = hasZone(event) ? event.timezone : null
      return (zone === null ? '' : writeZone(zone)) + toText(toComponent(event, zone))
    },
    // A calendar of nothing at all is none.
    end: () => `${isEmpty ? writeZone('UTC') : ''}END:VCALENDAR\r\n`
  }
}

function toText(component: Component): string {
  return `${ICAL.stringify(component)}\r\n`
}

/** @param zone whose clock tells its times; null: UTC */
function toComponent(event: Event, zone: string | null): Component {
  const { starts_at, ends_at, updated_at, first_seen_at } = event
  const changed = toSeconds(updated_at)
  const properties = [
    ['uid', {}, 'text', event.id],
    ['dtstamp', {}, 'date-time', changed],
    ['created', {}, 'date-time', toSeconds(first_seen_at)],
    ['last-modified', {}, 'date-time', changed],
    // It knows no number of its changes, but when they were: seconds since it was first seen.
    ['sequence', {}, 'integer', Math.floor((Date.parse(updated_at) - Date.parse(first_seen_at)) / 1000)],
    ['status', {}, 'text', isCancelled(event) ? 'CANCELLED' : 'CONFIRMED'],
    // That it takes place keeps nobody from doing something else.
    ['transp', {}, 'text', 'TRANSPARENT'],
    ['summary', {}, 'text', event.title],
    ['categories', {}, 'text', event.source],
    toTime('dtstart', event.start_date, starts_at, zone)
  ]
  // An end must be later than the start. Where there is none, the event ends when it starts.
  if (ends_at !== null && ends_at > starts_at) properties.push(toTime('dtend', event.end_date!, ends_at, zone))
  return ['vevent', properties, []]
}

function toTime(name: string, local: string, utc: string, zone: string | null): unknown[] {
  return zone === null ? [name, {}, 'date-time', utc] : [name, { tzid: zone }, 'date-time', local]
}

/** Whether its times are told by its own clock, not by UTC. */
function hasZone({ start_date, end_date, starts_at, ends_at, timezone }: Event): boolean {
  if (timezone === 'UTC' || !isPlain(start_date, starts_at, timezone)) return false
  return end_date === null || ends_at === null || isPlain(end_date, ends_at, timezone)
}

function isCancelled({ status, delisted_at, starts_at }: Event): boolean {
  return status === 'delisted' && delisted_at !== null && toSeconds(delisted_at) < starts_at
}

function toSeconds(instant: string): string {
  return `${instant.slice(0, 19)}Z`
}
