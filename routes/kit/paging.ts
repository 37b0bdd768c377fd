import { hash } from 'node:crypto'
import { type TSchema, Type } from '@sinclair/typebox'
import { isLocalDateTime } from '../../adapters/kit/dates.ts'
import { invalidParameter } from '../../plugins/errors/problem.ts'
import type { Position } from '../../storage/kit/contract.ts'

/** A parameter that clients may leave out and that handlers always see: its default is filled in before. */
export const WithDefault = <T extends TSchema>(schema: T): T => Type.Optional(schema) as unknown as T

export const PagingQuery = {
  limit: WithDefault(
    Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 100,
      description: 'Maximum number of items on a page',
      'x-allowed': 'a whole number from 1 to 1000'
    })
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: 1000,
      description: 'Where to go on: `page.next_cursor` of a previous answer to the same query',
      'x-allowed': 'page.next_cursor of a previous answer'
    })
  )
}

export const NoQuery = Type.Object({}, { additionalProperties: false })

export const PageInfo = Type.Object({
  limit: Type.Integer(),
  next_cursor: Type.Union([Type.String(), Type.Null()], { description: 'null on the last page' }),
  has_more: Type.Boolean()
})

export interface Paging {
  query: Record<string, unknown>
  /** What a position looks like, value by value: a cursor comes from outside. */
  position: ((value: string) => boolean)[]
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
export const isUuid = (value: string) => UUID.test(value)
export const isInstant = (value: string) => /^.{19}(\.\d{3})?Z$/.test(value) && isLocalDateTime(value.slice(0, 19))
export const isToken = (value: string) => /^\d{1,15}$/.test(value)
export const isRejectId = (value: string) => /^[0-9a-f]{32}$/.test(value)

/** A cursor is a position and a digest of the query it belongs to. */
export function encodeCursor(position: Position, { query }: Paging): string {
  return Buffer.from(JSON.stringify([digest(query), ...position])).toString('base64url')
}

export function decodeCursor(cursor: string | undefined, { query, position }: Paging): Position | undefined {
  if (cursor === undefined) return undefined
  const [scope, ...values] = parse(cursor)
  if (values.length !== position.length || !position.every((is, i) => is(String(values[i])))) {
    throw invalidParameter('cursor', 'cursor is not one of this service.', PagingQuery.cursor['x-allowed'] as string)
  }
  if (scope !== digest(query)) {
    const allowed = 'the cursor of an answer to the same query; leave it out to start afresh'
    throw invalidParameter('cursor', 'cursor belongs to another query.', allowed)
  }
  return values.map(String)
}

export function pageInfo(limit: number, next: Position | null, paging: Paging) {
  return { limit, next_cursor: next === null ? null : encodeCursor(next, paging), has_more: next !== null }
}

/** RFC 8288; undefined on the last page. */
export function nextLink(url: string, cursor: string | null): string | undefined {
  if (cursor === null) return undefined
  const [path, query] = url.split('?', 2)
  const params = new URLSearchParams(query)
  params.set('cursor', cursor)
  return `<${path}?${params}>; rel="next"`
}

/** Of a query without its cursor and limit: pages may differ in size. The order of its parameters says nothing. */
function digest(query: Record<string, unknown>): string {
  let text = ''
  for (const name of Object.keys(query).sort()) {
    if (name !== 'cursor' && name !== 'limit') text += `${name}=${query[name]}&`
  }
  return hash('sha1', text, 'base64url').slice(0, 10)
}

function parse(cursor: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}
