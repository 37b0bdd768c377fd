import { vi } from 'vitest'
import type { Event } from '../../../storage/kit/event.ts'
import { createApp, type TestApp } from '../../helper.ts'
import { makeEvent } from '../../storage/fixtures.ts'

const FIRST_SEEN = '2024-01-01T00:00:00.123Z'

export function shown(number: number, changes: Partial<Event> = {}): Event {
  return {
    ...makeEvent(number, changes),
    status: 'listed',
    first_seen_at: FIRST_SEEN,
    updated_at: FIRST_SEEN,
    delisted_at: null,
    ever_online: true,
    ...changes
  }
}

/** Whatever feeds write into titles, as far as it passes the checks. */
export const HOSTILE_TITLES = [
  '=HYPERLINK("http://evil.example","click")',
  '+1+1',
  '-2+3',
  '@SUM(A1:A9)',
  "'quoted'",
  '"double", quoted; and\\escaped\\n',
  'a,b;c:d',
  '<script>alert(1)</script> & ]]> <![CDATA[',
  'END:VEVENT',
  'x'.repeat(300),
  'BEGIN:VCALENDAR',
  `Canción ${'ñ'.repeat(200)}`,
  `${'🎭'.repeat(100)} 東京`,
  'עברית \u202Eright to left',
  ' blanks around ',
  '&amp; &#60; %0D%0A'
]

/** The whole service, whose storage has just what the tests give it to stream. */
export async function createExports(stream: TestApp['app']['storage']['stream']): Promise<TestApp> {
  const service = await createApp({ server: { overload_ms: 0 } })
  const { storage } = service.app
  vi.spyOn(storage, 'stream').mockImplementation(stream)
  vi.spyOn(storage, 'find').mockImplementation(async () => ({ json: JSON.stringify(shown(1)), next: null }))
  return service
}

export async function* from(events: Event[]): AsyncIterable<Event> {
  yield* events
}
