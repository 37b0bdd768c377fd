const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}'

/** What differs each time: times of this service (with milliseconds, or in files), random ids, cursors and durations. */
const DIFFERING: [RegExp, string][] = [
  [/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z/g, 'TIME'],
  [/(<updated>|(?:DTSTAMP|LAST-MODIFIED|CREATED|SEQUENCE):)[^<\\]+/g, '$1TIME'],
  [new RegExp(UUID, 'g'), 'ID'],
  [/("next_cursor":"|[?&]cursor=|\\nid: )[\w-]{20,}/g, '$1CURSOR'],
  [/("duration":|"revision":)\d+/g, '$10'],
  [/in \d+ seconds/g, 'in N seconds']
]

/** The same for answers that say the same. */
export function mask(value: unknown): unknown {
  const text = DIFFERING.reduce((text, [pattern, by]) => text.replaceAll(pattern, by), JSON.stringify(value))
  return JSON.parse(text)
}
