import { hash } from 'node:crypto'
import { toUuid5 } from '../../../plugins/kit/uuid.ts'
import type { Event } from '../../../storage/kit/event.ts'
import type { ExportFormat } from './format.ts'
import { xml } from './xml.ts'

export default {
  extension: 'atom',
  summary: 'Events as an Atom feed',
  description:
    'RFC 4287. An entry has the `id` of its event, and changes when that does. With `sort=-updated` the newest come first.',
  mediaType: 'application/atom+xml',
  parameters: 'charset=utf-8',
  isAttachment: false,
  // The same feed has the same id, wherever it is read from.
  write: ({ prefix, path, findUpdated }) => ({
    begin: async () =>
      xml`<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<id>urn:uuid:${toUuid5(hash('sha1', `event-service ${path}`, 'hex'))}</id>
<title>Events</title>
<updated>${(await findUpdated()) ?? new Date().toISOString()}</updated>
<author><name>Event Service</name></author>
<link rel="self" type="application/atom+xml" href="${path}"/>
`,
    event: (event) =>
      xml`<entry>
<id>urn:uuid:${event.id}</id>
<title>${event.title}</title>
<updated>${event.updated_at}</updated>
<published>${event.first_seen_at}</published>
<link rel="alternate" type="application/json" href="${prefix}/events/${event.id}"/>
<category term="${event.source}"/>
<summary>${summarize(event)}</summary>
</entry>
`,
    end: () => '</feed>\n'
  })
} satisfies ExportFormat

function summarize({ start_date, end_date, timezone, status, sold_out }: Event): string {
  const when = `${start_date}${end_date === null ? '' : ` to ${end_date}`} (${timezone})`
  return `${when}${status === 'delisted' ? ', no longer listed' : ''}${sold_out ? ', sold out' : ''}`
}
