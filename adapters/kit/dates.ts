const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Whether it is `YYYY-MM-DD` and stands in the calendar, from year 1 to 9999. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const year = Number(text.slice(0, 4))
  const month = Number(text.slice(5, 7))
  const leapDay = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0
  const days = (DAYS[month - 1] ?? 0) + leapDay
  const day = Number(text.slice(8, 10))
  return year >= 1 && day >= 1 && day <= days
}

/** Whether it is `YYYY-MM-DDTHH:MM:SS`, a wall-clock time of a day that stands in the calendar. */
export function isLocalDateTime(text: string): boolean {
  return /^.{10}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d$/.test(text) && isDate(text.slice(0, 10))
}

const DAY_MS = 86_400_000

/**
 * The instant of a wall-clock time, as `YYYY-MM-DDTHH:MM:SSZ`. One that a zone skips when its clocks go forward counts
 * as that much later, one that it has twice as the first of the two.
 * @returns null where the instant is not in the years 1 to 9999.
 */
export function toInstant(local: string, zone: string): string | null {
  if (zone === 'UTC') return `${local}Z`
  const wall = Date.parse(`${local}Z`)
  const instant = new Date(wall - (offsetOfDay(local.slice(0, 10), zone) ?? offsetOfWall(wall, zone))).toISOString()
  return instant.length === 24 && instant > '0001' ? `${instant.slice(0, 19)}Z` : null
}

/** By zone and day: milliseconds that its clocks are ahead all day and around it, or null where they change. */
const offsets = new Map<string, number | null>()
const MOST_DAYS = 50_000

function offsetOfDay(date: string, zone: string): number | null {
  const key = zone + date
  let offset = offsets.get(key)
  if (offset === undefined) {
    const noon = Date.parse(`${date}T12:00:00Z`)
    const before = offsetAt(noon - 2 * DAY_MS, zone)
    offset = before === offsetAt(noon + 2 * DAY_MS, zone) ? before : null
    if (offsets.size >= MOST_DAYS) offsets.clear()
    offsets.set(key, offset)
  }
  return offset
}

/** Near a change of the clocks: the offset that makes the wall-clock time, the earlier one where both do or neither. */
function offsetOfWall(wall: number, zone: string): number {
  const earlier = offsetAt(wall - DAY_MS, zone)
  const later = offsetAt(wall + DAY_MS, zone)
  const holds = (offset: number) => offsetAt(wall - offset, zone) === offset
  return !holds(earlier) && holds(later) ? later : earlier
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Milliseconds by which the zone's clocks are ahead of UTC. */
function offsetAt(utc: number, zone: string): number {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric'
    })
    formats.set(zone, format)
  }
  const parts = Object.fromEntries(format.formatToParts(utc).map(({ type, value }) => [type, Number(value)]))
  const wall = new Date(0)
  wall.setUTCFullYear(parts.year!, parts.month! - 1, parts.day)
  wall.setUTCHours(parts.hour!, parts.minute, parts.second)
  return wall.getTime() - Math.floor(utc / 1000) * 1000
}
