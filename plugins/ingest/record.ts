import { FormatRegistry, type SchemaOptions, type TSchema, Type } from '@sinclair/typebox'
import { TypeCompiler, type ValueError, ValueErrorType } from '@sinclair/typebox/compiler'
import type { EventRecord, ZoneRecord } from '../../adapters/kit/contract.ts'
import { isLocalDateTime } from '../../adapters/kit/dates.ts'

const TEXT_LENGTH = 10_000
const MOST_ZONES = 10_000
// As references (&#1;, &#xD800;) they can come through any parser. C1 controls are what wrong labels make of letters.
const UNCLEAN = /[\u0000-\u001F\u007F-\u009F\p{Cs}\uFFFE\uFFFF]/u

FormatRegistry.Set('clean-text', (text) => !UNCLEAN.test(text))
FormatRegistry.Set('local-date-time', isLocalDateTime)

/** `expected` ends the sentence "… is not". */
const Text = (expected: string, options: SchemaOptions = {}) =>
  Type.String({ format: 'clean-text', minLength: 1, maxLength: TEXT_LENGTH, expected, ...options })
const Id = Text('usable', { maxLength: 200 })
const Flag = Type.String({ pattern: '^(true|false)$', expected: 'true or false' })
const LocalDate = Type.String({ format: 'local-date-time', expected: 'a date of the calendar, YYYY-MM-DDTHH:MM:SS' })
const Maybe = <T extends TSchema>(schema: T) => Type.Optional(schema)

/** What a record must be to become an event: all of it is text, as the feed has it. */
const RecordSchema = Type.Object({
  base_event_id: Id,
  event_id: Id,
  start_date: LocalDate,
  end_date: Maybe(LocalDate),
  title: Text('text'),
  sell_mode: Type.String({ pattern: '^(online|offline)$', expected: 'online or offline' }),
  organizer_company_id: Maybe(Text('text')),
  sell_from: Maybe(LocalDate),
  sell_to: Maybe(LocalDate),
  sold_out: Flag,
  zones: Type.Array(
    Type.Object({
      zone_id: Text('text'),
      name: Text('text', { minLength: 0 }),
      capacity: Type.String({ pattern: '^[0-9]{1,9}$', expected: 'a whole number' }),
      price: Type.String({ pattern: '^[0-9]{1,9}(\\.[0-9]{1,9})?$', expected: 'a price' }),
      numbered: Flag
    }),
    { maxItems: MOST_ZONES, expected: `a list of at most ${MOST_ZONES} zones` }
  )
})
const compiledRecord = TypeCompiler.Compile(RecordSchema)
const compiledId = TypeCompiler.Compile(Id)

type Checked<T, Optional extends keyof T = never> = { [Key in Exclude<keyof T, Optional>]: string } & {
  [Key in Optional]?: string | undefined
}
type Fields = Omit<EventRecord, 'zones'>

/** A record that is as the schema says. */
export type SoundRecord = Checked<Fields, 'end_date' | 'organizer_company_id' | 'sell_from' | 'sell_to'> & {
  zones: Checked<ZoneRecord>[]
}

export const isId = (value: unknown): value is string => compiledId.Check(value)

export const isSound = (record: unknown): record is SoundRecord => compiledRecord.Check(record)

/** One sentence: the first field that is not as it must be, with its place where it lies in a zone. */
export function explainUnsound(record: unknown): string {
  const error = compiledRecord.Errors(record).First()
  return error === undefined ? 'it is no record' : explain(error)
}

function explain({ path, schema, type, value }: ValueError): string {
  // Zones count from 1, as elements do in a path.
  const field = path.slice(1).replace(/^zones\/(\d+)(?=\/|$)/, (_, index) => `zone[${Number(index) + 1}]`)
  if (field === '') return 'it is no record'
  if (value === undefined || value === null) return `${field} is missing`
  if (field === 'zones' || field.endsWith(']')) return `${field} is not ${schema.expected ?? 'a zone'}`
  if (typeof value !== 'string') return `${field} is a ${typeof value}, not text`
  if (type === ValueErrorType.StringMaxLength) return `${field} is longer than ${schema.maxLength} characters`
  if (schema.format === 'clean-text' && type === ValueErrorType.StringFormat) {
    return `${field} has control characters or half characters in it`
  }
  return `${field} ${JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)} is not ${schema.expected}`
}
