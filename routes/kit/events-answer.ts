import { Type } from '@sinclair/typebox'
import { EventFieldsSchema, EventSchema } from '../../storage/kit/event.ts'
import { LINK, VALIDATORS } from './answer-headers.ts'
import { FreshnessFields } from './freshness.ts'
import { PageInfo } from './paging.ts'

const Total = Type.Object(
  {
    value: Type.Integer(),
    relation: Type.String({ enum: ['exactly', 'more_than'], description: '`more_than`: there are more than `value`' })
  },
  { description: 'With `count=true`: how many events there are on all pages' }
)

const Warning = Type.Object({
  code: Type.String({ enum: ['stale_source'] }),
  source: Type.String(),
  detail: Type.String({ description: 'For people' })
})

export const EventsAnswer = Type.Object(
  {
    data: Type.Array(
      Type.Union([Type.Ref(EventSchema.$id!), Type.Ref(EventFieldsSchema.$id!)], {
        description: 'An event; with `fields`, these fields of it alone'
      }),
      { description: 'In the order that was asked for' }
    ),
    page: Type.Composite([PageInfo, Type.Object({ total: Type.Optional(Total) })]),
    meta: Type.Object({
      revision: Type.Integer({ description: 'Grows with every change to any event' }),
      sources: Type.Array(Type.Object({ name: Type.String(), ...FreshnessFields })),
      warnings: Type.Optional(
        Type.Array(Warning, { description: 'What may be wrong with the answer; left out: nothing' })
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
  { description: 'A page of events', headers: { ...LINK, ...VALIDATORS } }
)
