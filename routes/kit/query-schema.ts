import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { EventSchema } from '../../storage/kit/event.ts'
import { SORT_KEYS } from '../../storage/kit/filters.ts'
import { BOUND_FORMS, TIME_FORMS } from './bounds.ts'
import { PagingQuery, WithDefault } from './paging.ts'

/** Of one parameter with several values. */
export const MOST_VALUES = 50
const MOST_TEXT = 200
const MOST_PRICE = 1e12
const SOURCE_NAME = '[a-z0-9][a-z0-9_-]{0,62}'

const OneOf = <const T extends string>(values: readonly T[], options: object) =>
  Type.Unsafe<T>(Type.String({ enum: [...values], 'x-allowed': values.join(' | '), ...options }))

/** A parameter that may be left out. */
const Text = (description: string, allowed: string, options: object = {}) =>
  Type.Optional(Type.String({ description, 'x-allowed': allowed, ...options }))

/** Several values, with commas between them: one of them must hold. */
const List = (description: string, allowed: string, options: object = {}) =>
  Text(`${description}; several with commas between them`, `${allowed}; with commas, at most ${MOST_VALUES}`, {
    minLength: 1,
    maxLength: MOST_VALUES * MOST_TEXT,
    ...options
  })

const Flag = (description: string) => Type.Optional(Type.Boolean({ description, 'x-allowed': 'true | false' }))

const Price = (description: string) =>
  Type.Optional(Type.Number({ minimum: 0, maximum: MOST_PRICE, description, 'x-allowed': 'a number from 0 on' }))

const bound = (which: string) => `The ${which} bound, inclusive; left out: no bound. ${BOUND_FORMS}`

const listOf = (pattern: string) => `^${pattern}(,${pattern}){0,${MOST_VALUES - 1}}$`

/** What is asked of events: the same of lists and exports. */
export const FilterParameters = {
  start_date: Text(bound('first'), BOUND_FORMS, { examples: ['2021-02-01T00:00:00'] }),
  end_date: Text(bound('second'), BOUND_FORMS, { examples: ['2021-07-31T23:59:59'] }),
  match: WithDefault(
    OneOf(['within', 'starts', 'overlaps'], {
      default: 'within',
      description:
        'How events lie between the bounds. `within`: starts at or after the first and ends at or before the second; ' +
        '`starts`: starts between them; `overlaps`: ends at or after the first and starts at or before the second. ' +
        'An event with no end counts by its start.'
    })
  ),
  tz: Text(
    'Whose days and weeks are meant by a bound that is a day, `today` or so many days from now. Left out: a day is one ' +
      'where the event is, and now is that of UTC',
    'an IANA time zone, as Europe/Madrid',
    { maxLength: 64 }
  ),
  q: Text(
    'Words of the title, all of them, the last one at least as the beginning of a word; case and accents do not count',
    `letters or digits, at most ${MOST_TEXT} characters`,
    { maxLength: MOST_TEXT }
  ),
  sell_mode: Type.Optional(
    OneOf(['online', 'offline', 'any'], {
      description: 'How they are sold today; left out: those that are or ever were sold online'
    })
  ),
  status: List('`listed`, `delisted`; left out: both', 'listed, delisted', {
    pattern: listOf('(listed|delisted)')
  }),
  source: List('Only those of this source, also of one that is no longer configured', 'names of sources', {
    pattern: listOf(SOURCE_NAME),
    examples: ['demo']
  }),
  base_event_id: List("The provider's id of what they belong to", 'ids'),
  organizer_company_id: List('Of the company that organises them', 'ids'),
  sold_out: Flag('Whether they are sold out'),
  available: Flag(
    'Whether they can be bought now: not sold out, on sale, and some zone has capacity. With the filters of zones, that zone'
  ),
  min_price: Price('Some zone costs as much or more. All filters of zones must hold of one and the same zone'),
  max_price: Price('Some zone costs as much or less'),
  free: Flag('`true`: some zone costs nothing; `false`: some zone costs something'),
  min_capacity: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Some zone has this capacity or more',
      'x-allowed': 'a whole number from 0 on'
    })
  ),
  zone: Text('A part of the name of a zone; case and accents do not count', `1 to ${MOST_TEXT} characters`, {
    minLength: 1,
    maxLength: MOST_TEXT
  }),
  numbered: Flag('Whether the seats of some zone are numbered'),
  updated_since: Text(
    `Those that changed at or after this time; with those that were taken off, as \`delisted\`. ${TIME_FORMS}`,
    TIME_FORMS
  ),
  as_of: Text(
    `Events as this service knew them at this time; left out: as it knows them now. ${TIME_FORMS}`,
    TIME_FORMS
  ),
  sort: WithDefault(
    OneOf(
      SORT_KEYS.flatMap((key) => [key, `-${key}` as const]),
      {
        default: 'start',
        description:
          'The order; with `-` in front: descending. Of equal ones, by `id`. `title`: without case and accents, by its ' +
          'first 100 characters. `end`: by the start where there is no end. `min_price`: those without a price come last, ' +
          'descending first'
      }
    )
  )
}

const ListParameters = {
  ...FilterParameters,
  ...PagingQuery,
  fields: Text('Only these fields of each event', `fields of Event, with commas between them`, {
    pattern: `^(${Object.keys(EventSchema.properties).join('|')})(,(${Object.keys(EventSchema.properties).join('|')})){0,49}$`,
    'x-allowed': Object.keys(EventSchema.properties).join(', ')
  }),
  count: Type.Optional(
    Type.Boolean({
      description: 'Whether to count them all, in `page.total`: exactly up to 10 000, then "more than that"',
      'x-allowed': 'true | false'
    })
  )
}

const strict = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Object(properties, { additionalProperties: false })

export const FilterQuery = strict(FilterParameters)
export type FilterQuery = Static<typeof FilterQuery>
export const ListQuery = strict(ListParameters)
export type ListQuery = Static<typeof ListQuery>
