import { isDate, isLocalDateTime, toInstant } from '../../adapters/kit/dates.ts'
import { invalidParameter } from '../../plugins/errors/problem.ts'
import { type Bound, instantLimit } from '../../storage/kit/filters.ts'

export const BOUND_FORMS =
  'YYYY-MM-DDTHH:MM:SS (wall-clock time where the event is), the same with Z or an offset (an instant), YYYY-MM-DD, ' +
  'today, tomorrow or yesterday (that whole day), now, or so far from now: +7d, -2w, +12h'

const WITH_OFFSET = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+ -](?:[01]\d|2[0-3]):[0-5]\d)$/
/** A "+" that was not written as %2B arrives as a space. */
const FROM_NOW = /^([+ -])(\d{1,5})([hdw])$/
const DAYS: Record<string, number> = { yesterday: -1, today: 0, tomorrow: 1 }
const SECOND_MS = 1000
const HOUR_MS = 3_600_000

/** What a bound is understood by. */
export interface Moment {
  /** Milliseconds since 1970. */
  now: number
  /**
   * What a day is: an IANA name. null: a day that is named is one where the event is; "today" and days from now are
   * those of UTC.
   */
  tz: string | null
}

/**
 * @param side A day begins at its first second and ends at its last. Of a fraction of a second the same is true: events
 * are compared by whole seconds.
 */
export function parseBound(parameter: string, text: string, side: 'from' | 'to', moment: Moment): Bound {
  if (isLocalDateTime(text)) return { clock: 'local', at: text }
  const bound = isDate(text)
    ? dayBound(text, side, moment.tz)
    : Object.hasOwn(DAYS, text)
      ? dayBound(addDays(localNow(moment), DAYS[text]!)?.slice(0, 10) ?? null, side, moment.tz)
      : instantBound(text === 'now' ? toText(moment.now) : (parseFromNow(text, moment) ?? parseInstant(text, side)))
  if (bound !== null) return bound
  throw invalidParameter(parameter, `${parameter} cannot be ${JSON.stringify(text.slice(0, 100))}.`, BOUND_FORMS)
}

/** @returns UTC to the millisecond, of RFC 3339 or one of the forms that count from now; null where it is neither */
export function parseTime(text: string, { now, tz }: Moment): string | null {
  if (text === 'now') return new Date(now).toISOString()
  const fromNow = parseFromNow(text, { now, tz })
  if (fromNow !== null) return new Date(Date.parse(fromNow) + (now % SECOND_MS)).toISOString()
  const [, date, time, fraction = '', offset] = WITH_OFFSET.exec(text) ?? []
  if (date === undefined || offset === undefined || !isLocalDateTime(`${date}T${time}`)) return null
  return inYears(new Date(`${date}T${time}${fraction.slice(0, 4)}${offset.replace(' ', '+').toUpperCase()}`))
}

export const TIME_FORMS = 'an instant with Z or an offset (2021-02-01T10:00:00Z), now, or so far from now: -2d, -12h'

const instantBound = (at: string | null): Bound | null => (at === null ? null : { clock: 'utc', at })

/** In a time zone a day can have 23 or 25 hours. */
function dayBound(date: string | null, side: 'from' | 'to', tz: string | null): Bound | null {
  if (date === null) return null
  if (tz === null) return { clock: 'local', at: `${date}T${side === 'from' ? '00:00:00' : '23:59:59'}` }
  if (side === 'from') return instantBound(toInstant(`${date}T00:00:00`, tz))
  const next = addDays(`${date}T00:00:00`, 1)
  const end = next && toInstant(next, tz)
  return end === null ? null : instantBound(toText(Date.parse(end) - SECOND_MS))
}

/** Hours are hours; days and weeks lead to the same time of another day. */
function parseFromNow(text: string, moment: Moment): string | null {
  const [, sign, digits, unit] = FROM_NOW.exec(text) ?? []
  if (unit === undefined) return null
  const amount = Number(digits) * (sign === '-' ? -1 : 1)
  if (unit === 'h') return toText(moment.now + amount * HOUR_MS)
  const local = addDays(localNow(moment), amount * (unit === 'w' ? 7 : 1))
  return local && toInstant(local, moment.tz ?? 'UTC')
}

function parseInstant(text: string, side: 'from' | 'to'): string | null {
  const [, date, time, fraction, offset] = WITH_OFFSET.exec(text) ?? []
  if (date === undefined || offset === undefined || !isLocalDateTime(`${date}T${time}`)) return null
  const up = fraction !== undefined && Number(fraction) > 0 && side === 'from' ? SECOND_MS : 0
  return toText(Date.parse(`${date}T${time}${offset.replace(' ', '+').toUpperCase()}`) + up)
}

/** Wall-clock time in the time zone. */
function localNow({ now, tz }: Moment): string {
  // Swedish writes dates as ISO 8601 does.
  return new Date(now).toLocaleString('sv-SE', { timeZone: tz ?? 'UTC' }).replace(' ', 'T')
}

/** @returns null beyond the years 1 to 9999, as all of these do */
function addDays(local: string, days: number): string | null {
  const date = new Date(`${local}Z`)
  date.setUTCDate(date.getUTCDate() + days)
  return inYears(date)?.slice(0, 19) ?? null
}

function toText(ms: number): string | null {
  const text = inYears(new Date(ms))
  return text && `${text.slice(0, 19)}Z`
}

function inYears(date: Date): string | null {
  const year = date.getUTCFullYear()
  return year >= 1 && year <= 9999 ? date.toISOString() : null
}

/** Of a wall-clock time and an instant it is refused only where it is so in every time zone. */
export function refuseReversed(from: Bound | undefined, to: Bound | undefined): void {
  if (from === undefined || to === undefined) return
  const isSameClock = from.clock === to.clock
  const [first, last] = isSameClock ? [from.at, to.at] : [instantLimit(from, 'from'), instantLimit(to, 'to')]
  if (first <= last) return
  throw invalidParameter('end_date', `end_date ${to.at} is before start_date ${from.at}.`, `a time from ${from.at} on`)
}
