const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Whether it is `YYYY-MM-DD` and stands in the calendar, from year 1 to 9999. */
export function isDate(text: string): boolean {
  return text.length === 10 && isDay(text)
}

/** Whether it is `YYYY-MM-DDTHH:MM:SS`, a wall-clock time of a day that stands in the calendar. */
export function isLocalDateTime(text: string): boolean {
  return (
    text.length === 19 &&
    isDay(text) &&
    text[10] === 'T' &&
    text[13] === ':' &&
    text[16] === ':' &&
    isBetween(digits(text, 11), 0, 23) &&
    isBetween(digits(text, 14), 0, 59) &&
    isBetween(digits(text, 17), 0, 59)
  )
}

function isDay(text: string): boolean {
  if (text[4] !== '-' || text[7] !== '-') return false
  const year = digits(text, 0) * 100 + digits(text, 2)
  const month = digits(text, 5)
  const leapDay = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0
  return isBetween(year, 1, 9999) && isBetween(digits(text, 8), 1, (DAYS[month - 1] ?? 0) + leapDay)
}

/** Two of them as a number; NaN where they are not. A feed has so many dates that it shows. */
function digits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48
  const ones = text.charCodeAt(at + 1) - 48
  return isBetween(tens, 0, 9) && isBetween(ones, 0, 9) ? tens * 10 + ones : Number.NaN
}

function isBetween(n: number, least: number, most: number): boolean {
  return n >= least && n <= most
}

/** Whether it is an IANA name. */
export function isTimezone(text: string): boolean {
  return toTimezone(text) !== null
}

/** @returns the one name that the zone has here, whatever its case and its aliases; null where it is no IANA name */
export function toTimezone(text: string): string | null {
  try {
    // Offsets such as +01:00 are accepted there too, but are no zones: they know no daylight saving.
    if (!/^[A-Za-z]/.test(text)) return null
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
  } catch {
    return null
  }
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * The instant of a wall-clock time, as `YYYY-MM-DDTHH:MM:SSZ`. One that a zone skips when its clocks go forward counts
 * as that much later, one that it has twice as the first of the two.
 * @returns null where the instant is not in the years 1 to 9999.
 */
export function toInstant(local: string, zone: string): string | null {
  if (zone === 'UTC') return `${local}Z`
  const offset = offsetOfDay(local.slice(0, 10), zone)
  // Most are the same day by whole hours.
  const hour = offset === null ? -1 : digits(local, 11) - offset / HOUR_MS
  if (isBetween(hour, 0, 23) && Number.isInteger(hour)) {
    return `${local.slice(0, 11)}${hour < 10 ? '0' : ''}${hour}${local.slice(13)}Z`
  }
  const wall = Date.parse(`${local}Z`)
  const instant = new Date(wall - (offset ?? offsetOfWall(wall, zone))).toISOString()
  return instant.length === 24 && instant > '0001' ? `${instant.slice(0, 19)}Z` : null
}

/** By zone and day: milliseconds that its clocks are ahead all day and around it, or null where they change. */
const offsets = new Map<string, Map<string, number | null>>()
/** Of all zones together. */
const MOST_DAYS = 50_000
let knownDays = 0

function offsetOfDay(date: string, zone: string): number | null {
  const known = offsets.get(zone)?.get(date)
  if (known !== undefined) return known
  const noon = Date.parse(`${date}T12:00:00Z`)
  const before = offsetAt(noon - 2 * DAY_MS, zone)
  const offset = before === offsetAt(noon + 2 * DAY_MS, zone) ? before : null
  if (knownDays >= MOST_DAYS) {
    offsets.clear()
    knownDays = 0
  }
  const days = offsets.get(zone) ?? new Map<string, number | null>()
  offsets.set(zone, days.set(date, offset))
  knownDays++
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
export function offsetAt(utc: number, zone: string): number {
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
  const [month, day, year, hour, minute, second] = format.format(utc).split(/\D+/).map(Number)
  const wall = new Date(0)
  wall.setUTCFullYear(year!, month! - 1, day)
  wall.setUTCHours(hour!, minute, second)
  return wall.getTime() - Math.floor(utc / 1000) * 1000
}
