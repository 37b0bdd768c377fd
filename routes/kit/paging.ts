import { type TSchema, Type } from '@sinclair/typebox'

/** A parameter that clients may leave out and that handlers always see: its default is filled in before. */
export const WithDefault = <T extends TSchema>(schema: T): T => Type.Optional(schema) as unknown as T

const Limit = (maximum: number) =>
  WithDefault(
    Type.Integer({
      minimum: 1,
      maximum,
      default: 100,
      description: 'Maximum number of items on a page',
      'x-allowed': `a whole number from 1 to ${maximum}`
    })
  )

/** Of a cursor, in characters. */
export const MOST_CURSOR = 8000

export const PagingQuery = {
  limit: Limit(1000),
  cursor: Type.Optional(
    Type.String({
      maxLength: MOST_CURSOR,
      minLength: 1,
      description: 'Where to go on: `page.next_cursor` of a previous answer to the same query',
      'x-allowed': 'page.next_cursor of a previous answer'
    })
  )
}

/** Of items that have to be compared with what they were before. */
export const ChangesPagingQuery = { ...PagingQuery, limit: Limit(200) }

export const NoQuery = Type.Object({}, { additionalProperties: false })

export const PageInfo = Type.Object({
  limit: Type.Integer(),
  next_cursor: Type.Union([Type.String(), Type.Null()], { description: 'null on the last page' }),
  has_more: Type.Boolean()
})

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function pageInfo(limit: number, next_cursor: string | null) {
  return { limit, next_cursor, has_more: next_cursor !== null }
}

/** What a request for a proxy has before its path: that is for whoever asked to know, and an answer is for others, too. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/?]*/i
const CURSOR = /([?&])cursor=[^&]*&?/g

/** RFC 8288, of the first page and the next one, if there is one. Relative: who stands before this service is not known. */
export function pageLinks(url: string, cursor: string | null): string {
  // As it was sent: to take it apart and put it together again costs as much as to read the page.
  const start = url
    .replace(ORIGIN, '')
    .replaceAll(CURSOR, (_match, before: string) => before)
    .replaceAll('>', '%3E')
  const first = start.endsWith('?') || start.endsWith('&') ? start.slice(0, -1) : start
  if (cursor === null) return `<${first}>; rel="first"`
  return `<${first}${first.includes('?') ? '&' : '?'}cursor=${cursor}>; rel="next", <${first}>; rel="first"`
}
