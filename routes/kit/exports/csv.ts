import { type Options, stringify } from 'csv-stringify/sync'
import { EventSchema } from '../../../storage/kit/event.ts'
import type { ExportFormat } from './format.ts'

const COLUMNS = Object.keys(EventSchema.properties)

const OPTIONS: Options = {
  columns: COLUMNS,
  record_delimiter: 'windows',
  // What a provider writes must not be computed by whoever opens the file.
  escape_formulas: true,
  // Left alone, `false` would be nothing; an object is the zones.
  cast: { boolean: String, object: (value) => JSON.stringify(value) }
}

export default {
  extension: 'csv',
  summary: 'Events as CSV',
  description:
    'RFC 4180 with a line of names; the columns are the fields of an event, and null is nothing. `zones` is one column, of ' +
    'JSON. A text that a spreadsheet would take for a formula begins with an apostrophe.',
  mediaType: 'text/csv',
  parameters: 'charset=utf-8; header=present',
  isAttachment: true,
  write: () => ({
    begin: () => stringify([COLUMNS], OPTIONS),
    event: (event) => stringify([event], OPTIONS),
    end: () => ''
  })
} satisfies ExportFormat
