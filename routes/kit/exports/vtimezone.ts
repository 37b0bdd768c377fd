import { offsetAt } from '../../../adapters/kit/dates.ts'

/** RFC 7265: name, properties, components. */
export type Component = [name: string, properties: unknown[][], components: Component[]]

const MINUTE_MS = 60_000
/** No zone changes its clocks twice within less. */
const STEP_MS = 14 * 24 * 60 * MINUTE_MS
/** Wall-clock times that `toTimezone` speaks of, first and last year. */
const YEARS = { first: 1980, last: 2049 }

/**
 * Whether all readers of `toTimezone` take this wall-clock time for this instant. Of a time that the day has twice, or
 * skips, each has its own opinion.
 */
export function isPlain(local: string, utc: string, zone: string): boolean {
  const year = Number(local.slice(0, 4))
  if (year < YEARS.first || year > YEARS.last) return false
  const instant = Date.parse(utc)
  const offset = Date.parse(`${local}Z`) - instant
  if (offsetAt(instant, zone) !== offset) return false
  const later = offsetAt(instant + 180 * MINUTE_MS, zone)
  return later >= offset || offsetAt(instant + offset - later, zone) !== later
}

const known = new Map<string, Component>()

/**
 * VTIMEZONE of an IANA zone: each change of its clocks by its date, as this runtime knows them and as `starts_at` was
 * computed from. That is right for past years also where rules changed, which a rule of recurrence would not be.
 */
export function toTimezone(zone: string): Component {
  const timezone = known.get(zone) ?? makeTimezone(zone)
  known.set(zone, timezone)
  return timezone
}

function makeTimezone(zone: string): Component {
  const start = Date.UTC(YEARS.first - 1, 11, 31)
  const offset = offsetAt(start, zone)
  const observances = new Map([[`${offset}`, { from: offset, to: offset, times: [toLocal(start, offset)] }]])
  for (const { at, from, to } of findChanges(zone, start, Date.UTC(YEARS.last + 1, 0, 2))) {
    const key = `${from} ${to}`
    const { times } = observances.get(key) ?? { times: [] }
    observances.set(key, { from, to, times: [...times, toLocal(at, from)] })
  }
  return ['vtimezone', [['tzid', {}, 'text', zone]], [...observances.values()].map(toObservance)]
}

interface Change {
  at: number
  from: number
  to: number
}

function* findChanges(zone: string, start: number, end: number): Iterable<Change> {
  let from = offsetAt(start, zone)
  for (let time = start; time < end; time += STEP_MS) {
    const to = offsetAt(time + STEP_MS, zone)
    if (to !== from) yield { at: findChange(zone, time, time + STEP_MS), from, to }
    from = to
  }
}

/** The first minute of the later offset, between two times. */
function findChange(zone: string, before: number, after: number): number {
  const to = offsetAt(after, zone)
  let [low, high] = [before, after]
  while (high - low > MINUTE_MS) {
    const middle = low + Math.floor((high - low) / 2 / MINUTE_MS) * MINUTE_MS
    if (offsetAt(middle, zone) === to) high = middle
    else low = middle
  }
  return high
}

/**
 * Each date on a line of its own, and the first one again: widespread readers (ical.js) see no others. Clocks that go forward
 * are taken for summer time; nothing is computed from that.
 */
function toObservance({ from, to, times }: { from: number; to: number; times: string[] }): Component {
  const properties = [
    ['dtstart', {}, 'date-time', times[0]],
    ['tzoffsetfrom', {}, 'utc-offset', toOffset(from)],
    ['tzoffsetto', {}, 'utc-offset', toOffset(to)]
  ]
  if (times.length > 1) properties.push(...times.map((time) => ['rdate', {}, 'date-time', time]))
  return [to > from ? 'daylight' : 'standard', properties, []]
}

function toLocal(utc: number, offset: number): string {
  return new Date(utc + offset).toISOString().slice(0, 19)
}

function toOffset(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${new Date(Math.abs(ms)).toISOString().slice(11, 16)}`
}
