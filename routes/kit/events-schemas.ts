import { type Static, Type } from '@sinclair/typebox'
import { EventSchema } from '../../storage/kit/event.ts'
import { BOUND_FORMS } from './bounds.ts'
import { FreshnessFields } from './freshness.ts'
import { PageInfo, PagingQuery, WithDefault } from './paging.ts'

const OneOf = <const T extends string>(values: readonly T[], options: object) =>
  Type.Unsafe<T>(Type.String({ enum: [...values], 'x-allowed': values.join(' | '), ...options }))

export const EventsQuery = Type.Object(
  {
    start_date: Type.Optional(
      Type.String({
        description: `The first bound, inclusive; left out: no bound. ${BOUND_FORMS}`,
        'x-allowed': BOUND_FORMS,
        examples: ['2021-02-01T00:00:00']
      })
    ),
    end_date: Type.Optional(
      Type.String({
        description: `The second bound, inclusive; left out: no bound. ${BOUND_FORMS}`,
        'x-allowed': BOUND_FORMS,
        examples: ['2021-07-31T23:59:59']
      })
    ),
    match: WithDefault(
      OneOf(['within', 'starts', 'overlaps'], {
        default: 'within',
        description:
          'How events lie between the bounds. `within`: starts at or after the first and ends at or before the second; ' +
          '`starts`: starts between them; `overlaps`: ends at or after the first and starts at or before the second. ' +
          'An event with no end counts by its start.'
      })
    ),
    sell_mode: Type.Optional(
      OneOf(['online', 'offline', 'any'], {
        description: 'How they are sold today; left out: those that are or ever were sold online'
      })
    ),
    source: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9][a-z0-9_-]{0,62}$',
        description: 'Only those of this source, also of one that is no longer configured',
        'x-allowed': 'the name of a source, see /v1/api/sources',
        examples: ['demo']
      })
    ),
    ...PagingQuery
  },
  { additionalProperties: false }
)

export const EventsAnswer = Type.Object(
  {
    data: Type.Array(Type.Unsafe<Static<typeof EventSchema>>(Type.Ref(EventSchema.$id!)), {
      description: 'In order of start (`starts_at`), then id'
    }),
    page: PageInfo,
    meta: Type.Object({
      revision: Type.Integer({ description: 'Grows with every change to any event' }),
      sources: Type.Array(
        Type.Object({
          name: Type.String(),
          ...FreshnessFields
        })
      ),
      stale: Type.Optional(
        Type.Literal(true, {
          description:
            'The storage is away: this is what the same query was answered before, with `Warning: 110` and `Age`. Left ' +
            'out: it is as of now'
        })
      ),
      read_at: Type.Optional(
        Type.String({ format: 'date-time', description: 'When a stale page was read from the storage' })
      )
    })
  },
  { description: 'A page of events; a stale one, where the storage is away and the page was answered before' }
)
