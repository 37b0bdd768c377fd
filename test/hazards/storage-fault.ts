import { setTimeout as sleep } from 'node:timers/promises'
import { expect, type TestContext } from 'vitest'
import { writeVersion } from '../provider/feeds.ts'
import type { Provider } from '../provider.ts'
import { type LogLine, ready, type Service, until } from '../service.ts'
import { isFull, recordHazard } from './record.ts'

/** Keys of the source: asked every second, and not spared for long after a failure. */
export const IMPATIENT = 'cron = * * * * * *\nbackoff_base = 0.1\nbackoff_cap = 1\n'

/** What no answer may show: names of drivers, addresses, files, statements. */
const DRIVER_TEXT =
  /mongo|sqlite|ECONN|EPIPE|ENOSPC|127\.0\.0\.1|events\.db|failpoint|socket|database|malformed|locked|\n {2,}at /i
const KNOWN = '/v1/api/events?limit=1000&sell_mode=any'
/** Lines that are not only information: two threads, and each says once that reading, and that writing, does not work. */
const MOST_LINES = 4

export interface Fault {
  name: string
  begin(): Promise<unknown> | unknown
  end(): Promise<unknown> | unknown
  /** Whether the storage can be read meanwhile. */
  isReadable?: boolean
  /** At least, in seconds. */
  lasts?: number
}

interface Setting {
  /** Answers; without `ingest` it has both roles. */
  service: Service
  /** Fetches, and is the one that cannot do its work where only writing fails. */
  ingest?: Service
  provider: Provider
  task: TestContext['task']
}

interface Answers {
  fresh: number
  stale: number
  unavailable: number
  /** Anything else, and what shows what it should not. */
  bad: string[]
  /** The longest anybody waited, in milliseconds. */
  slowest: number
  notReady: number
}

/**
 * A service, on a provider with versions of its feed, goes through a fault of its storage: readers are
 * answered in time, and afterwards it has by itself what the provider has.
 */
export async function goThrough(
  fault: Fault,
  { service, ingest, provider, task }: Setting
): Promise<{ lines: LogLine[] }> {
  const services = [service, ...(ingest ? [ingest] : [])]
  let version = 0
  // A new one every other request, until nothing is new any more.
  let isGrowing = true
  let requests = 0
  provider.play(() => ({ body: writeVersion(isGrowing && ++requests % 2 === 0 ? ++version : version) }))
  await ready(service)
  await until(async () => (await differences(service, version)) === 0)

  const seconds = Math.max(fault.lasts ?? 0, isFull ? 30 : 3)
  // The provider goes on all the same, also where nobody can ask it.
  version++
  await fault.begin()
  const began = performance.now()
  const answers: Answers = { fresh: 0, stale: 0, unavailable: 0, bad: [], slowest: 0, notReady: 0 }
  const isOver = () => performance.now() - began > seconds * 1000
  await Promise.all([
    keepAsking(() => ask(service, KNOWN, answers), isOver),
    keepAsking(
      () => ask(service, `${KNOWN}&start_date=2034-01-01T00:00:${pad(answers.unavailable % 60)}`, answers),
      isOver
    ),
    keepAsking(() => watchHealth(ingest ?? service, answers), isOver)
  ])
  version++
  await fault.end()
  const ended = performance.now()
  for (const one of services) await ready(one)
  const readyAfter = performance.now() - ended
  isGrowing = false
  const lost = await until(async () => (await differences(service, version)) === 0, 60_000).then(
    () => 0,
    () => differences(service, version)
  )
  const healedAfter = performance.now() - ended

  const lines = services.flatMap((one) => one.log()).filter(({ level }) => level >= 40)
  recordHazard(task, {
    hazard: `${fault.name}, for ${seconds} s`,
    expected: 'reads 503 or stale, nothing leaks; ingestion waits and converges; readiness red, then green; lost 0',
    figure:
      `lost ${lost}; answers: ${answers.fresh} fresh, ${answers.stale} stale, ${answers.unavailable} × 503, ` +
      `${answers.bad.length} bad, ${(answers.slowest / 1000).toFixed(1)} s at most; red ${answers.notReady} times, green after ` +
      `${(readyAfter / 1000).toFixed(1)} s, converged after ${(healedAfter / 1000).toFixed(1)} s; ${lines.length} log lines`
  })
  expect(answers.bad).toEqual([])
  expect(answers.slowest).toBeLessThan(10_000)
  if (fault.isReadable) {
    expect([answers.stale, answers.unavailable]).toEqual([0, 0])
    expect(answers.fresh).toBeGreaterThan(0)
  } else {
    expect(answers.stale).toBeGreaterThan(0)
    expect(answers.unavailable).toBeGreaterThan(0)
  }
  expect(answers.notReady).toBeGreaterThan(0)
  expect(lost).toBe(0)
  expect(lines.length, JSON.stringify(lines, null, 1)).toBeGreaterThan(0)
  expect(lines.length, JSON.stringify(lines, null, 1)).toBeLessThanOrEqual(MOST_LINES)
  for (const one of services) expect(one.process.exitCode).toBeNull()
  return { lines }
}

async function keepAsking(question: () => Promise<void>, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await question()
    await sleep(50)
  }
}

async function ask(service: Service, path: string, answers: Answers): Promise<void> {
  const asked = performance.now()
  const response = await fetch(service.url + path)
  const text = await response.text()
  answers.slowest = Math.max(answers.slowest, performance.now() - asked)
  const { status, headers } = response
  if (status === 200) {
    const { stale, read_at } = JSON.parse(text).meta
    if (stale === undefined) answers.fresh++
    else if (isRightlyStale(headers, read_at)) answers.stale++
    else answers.bad.push(`not rightly marked as stale: ${JSON.stringify([...headers])} ${read_at}`)
  } else if (status === 503 && headers.get('retry-after') === '5' && !DRIVER_TEXT.test(text)) answers.unavailable++
  else answers.bad.push(`${status} ${JSON.stringify([...headers])} ${text}`)
}

function isRightlyStale(headers: Headers, readAt: string): boolean {
  const age = Math.round((Date.now() - Date.parse(readAt)) / 1000)
  return headers.get('warning') === '110 - "Response is Stale"' && Math.abs(Number(headers.get('age')) - age) <= 2
}

async function watchHealth({ url }: Service, answers: Answers): Promise<void> {
  const [live, readiness] = await Promise.all([fetch(`${url}/livez`), fetch(`${url}/readyz`)])
  if (live.status !== 200) answers.bad.push(`/livez: ${live.status}`)
  const text = await readiness.text()
  if (readiness.status === 200) return
  answers.notReady++
  if (readiness.status !== 503 || DRIVER_TEXT.test(text)) answers.bad.push(`/readyz: ${readiness.status} ${text}`)
}

/** How many events are not as this version of the feed has them. */
async function differences({ url }: Service, version: number): Promise<number> {
  const { data, meta } = (await (await fetch(url + KNOWN)).json()) as {
    data: { base_event_id: string; end_date: string; status: string }[]
    meta: { stale?: true }
  }
  if (meta.stale) throw new Error('it is not answered from the storage yet')
  const listed = data.filter(({ status }) => status === 'listed').map((one) => `${one.base_event_id} ${one.end_date}`)
  const feed = [...writeVersion(version).matchAll(/base_event_id="(\d+)".*?event_end_date="(.*?)"/gs)]
  const wanted = feed.map(([, id, end]) => `${id} ${end}`)
  const without = (these: string[], those: string[]) => these.filter((one) => !those.includes(one)).length
  return without(wanted, listed) + without(listed, wanted)
}

const pad = (n: number) => String(n).padStart(2, '0')
