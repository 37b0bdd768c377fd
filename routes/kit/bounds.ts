import { isDate, isLocalDateTime } from '../../adapters/kit/dates.ts'
import { invalidParameter } from '../../plugins/errors/problem.ts'
import { type Bound, instantLimit } from '../../storage/kit/filters.ts'

export const BOUND_FORMS =
  'YYYY-MM-DDTHH:MM:SS (wall-clock time where the event is), the same with Z or an offset (an instant), or YYYY-MM-DD (that whole day)'

const WITH_OFFSET = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+ -](?:[01]\d|2[0-3]):[0-5]\d)$/

/**
 * @param side A day begins at its first second and ends at its last. Of a fraction of a second the same is true: events
 * are compared by whole seconds.
 */
export function parseBound(parameter: string, text: string, side: 'from' | 'to'): Bound {
  if (isLocalDateTime(text)) return { clock: 'local', at: text }
  if (isDate(text)) return { clock: 'local', at: `${text}T${side === 'from' ? '00:00:00' : '23:59:59'}` }
  const at = parseInstant(text, side)
  if (at !== null) return { clock: 'utc', at }
  throw invalidParameter(parameter, `${parameter} cannot be ${JSON.stringify(text.slice(0, 100))}.`, BOUND_FORMS)
}

function parseInstant(text: string, side: 'from' | 'to'): string | null {
  const [, date, time, fraction, offset] = WITH_OFFSET.exec(text) ?? []
  if (date === undefined || !isLocalDateTime(`${date}T${time}`)) return null
  // A "+" that was not written as %2B arrives as a space.
  const zone = offset === undefined || /z/i.test(offset) ? 'Z' : offset.replace(' ', '+')
  const up = fraction !== undefined && Number(fraction) > 0 && side === 'from' ? 1000 : 0
  const instant = new Date(Date.parse(`${date}T${time}${zone}`) + up)
  const year = instant.getUTCFullYear()
  return year >= 1 && year <= 9999 ? `${instant.toISOString().slice(0, 19)}Z` : null
}

/** Of a wall-clock time and an instant it is refused only where it is so in every time zone. */
export function refuseReversed(from: Bound | undefined, to: Bound | undefined): void {
  if (from === undefined || to === undefined) return
  const isSameClock = from.clock === to.clock
  const [first, last] = isSameClock ? [from.at, to.at] : [instantLimit(from, 'from'), instantLimit(to, 'to')]
  if (first <= last) return
  throw invalidParameter('end_date', `end_date ${to.at} is before start_date ${from.at}.`, `a time from ${from.at} on`)
}
