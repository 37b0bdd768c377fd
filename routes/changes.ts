import createError from '@fastify/error'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { invalidParameter } from '../plugins/errors/problem.ts'
import { vary } from '../plugins/pages/vary.ts'
import { Forgotten } from '../storage/kit/errors.ts'
import { EventSchema } from '../storage/kit/event.ts'
import { LINK, NOT_MODIFIED, VALIDATORS } from './kit/answer-headers.ts'
import { parseTime, TIME_FORMS } from './kit/bounds.ts'
import { ChangeSchema, toChange } from './kit/change.ts'
import { createChangeStreams } from './kit/change-stream.ts'
import { renderInTurns } from './kit/in-turns.ts'
import { ChangesPagingQuery, MOST_CURSOR, pageInfo, pageLinks } from './kit/paging.ts'
import { renderList } from './kit/render-page.ts'
import { STREAM_FAILURES } from './kit/responses.ts'
import { sendStream } from './kit/send-stream.ts'

const CHANGES = 'changes'
/** Each costs a connection, and a query for each change. */
const MOST_STREAMS = 500
const TooManyStreams = createError(
  'EVT_TOO_MANY_STREAMS',
  `Already ${MOST_STREAMS} clients are told of changes. Ask for pages, or try again later.`,
  503
)

const ChangesQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        description: `Changes at or after this time; left out: all that are kept. ${TIME_FORMS}`,
        'x-allowed': TIME_FORMS
      })
    ),
    limit: ChangesPagingQuery.limit,
    cursor: Type.Optional({
      ...ChangesPagingQuery.cursor,
      description: 'Changes after those of a previous answer: its `page.next_cursor`; `since` counts no more'
    })
  },
  { additionalProperties: false }
)

/** What changed about events, as it comes. */
const changes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [EventSchema, ChangeSchema]) app.addSchema(schema)
  const streamChanges = createChangeStreams(app, CHANGES)
  let streams = 0

  app.get(
    '/changes',
    {
      // Those who are told of changes stay.
      config: { isOpenEnded: true },
      schema: {
        operationId: 'listChanges',
        tags: ['events'],
        summary: 'Changes of events, oldest first',
        description:
          'Each source’s in the order in which they were made, none left out. `page.next_cursor` is where to ask again, also ' +
          'after the last one; a cursor is 410 where changes after it are kept no more. With `Accept: text/event-stream` the same as server-sent events (`change`), which go on with ' +
          'what comes; `id` of each is its cursor, and with `Last-Event-ID` they go on after it. Without that, `cursor` and ' +
          '`since` they begin with the next change.',
        querystring: ChangesQuery,
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({
              maxLength: MOST_CURSOR,
              description: 'Of server-sent events: `id` of the last one that was received'
            })
          )
        }),
        response: {
          200: {
            description: 'A page of changes',
            headers: { ...LINK, ...VALIDATORS },
            content: {
              'application/json': {
                schema: Type.Object({
                  data: Type.Array(Type.Ref(ChangeSchema.$id!)),
                  page: Type.Object({
                    limit: Type.Integer(),
                    next_cursor: Type.String({ description: 'Where to go on, or to ask again later' }),
                    has_more: Type.Boolean()
                  })
                })
              },
              'text/event-stream': { schema: Type.String() }
            }
          },
          ...NOT_MODIFIED,
          ...STREAM_FAILURES
        }
      }
    },
    async (request, reply) => {
      const { since, limit, cursor } = request.query
      const start = await toStart(since, cursor, 'cursor')
      vary(reply, 'Accept')
      if (request.headers.accept?.includes('text/event-stream')) {
        const last = request.headers['last-event-id']
        const from = last ? await toStart(since, last, 'Last-Event-ID') : start
        return stream(from ?? { after: await app.storage.lastChange() })
      }
      return app.pages.answer(request, reply, {
        key: `${CHANGES} ${JSON.stringify(start ?? null)} ${limit}`,
        // What is after a cursor is so whenever it is asked.
        isTimeless: cursor !== undefined || since === undefined || /^\d/.test(since),
        hasMeta: false,
        async read() {
          const { items, next, hasMore } = await app.storage.changes({ limit, ...(start ?? {}) })
          const next_cursor = await app.cursors.encode(next, CHANGES)
          const page = { ...pageInfo(limit, next_cursor), has_more: hasMore }
          const data = await renderInTurns(items, (version) => JSON.stringify(toChange(version)))
          return { body: renderList(data, page), link: pageLinks(request.url, next_cursor) }
        }
      })

      async function stream(from: Start) {
        // While it can be answered: once the stream has begun, it could only be cut, for the client to come back with the same.
        if ('after' in from) await app.storage.changes({ ...from, limit: 1 }).catch(throwForgotten)
        if (streams >= MOST_STREAMS) throw new TooManyStreams()
        streams++
        const stop = new AbortController()
        const end = () => stop.abort()
        app.ending.signal.addEventListener('abort', end)
        stop.signal.addEventListener('abort', () => {
          streams--
          app.ending.signal.removeEventListener('abort', end)
        })
        const parts = streamChanges(from, stop.signal)
        // The latter is for proxies (nginx): they would hold back what comes until it is more.
        reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no')
        return sendStream(request, reply, {
          type: 'text/event-stream; charset=utf-8',
          parts,
          stop,
          isCompressed: false
        })
      }
    }
  )

  /** While the storage is away, the stream waits for it. */
  function throwForgotten(error: unknown): void {
    if (error instanceof Forgotten) throw error
  }

  type Start = { after: string[] } | { since: string }
  async function toStart(
    since: string | undefined,
    cursor: string | undefined,
    parameter: string
  ): Promise<Start | undefined> {
    if (cursor !== undefined) {
      return { after: (await app.cursors.decode(cursor, () => CHANGES, parameter)).position }
    }
    if (since === undefined) return undefined
    const at = parseTime(since, { now: Date.now(), tz: null })
    if (at !== null) return { since: at }
    throw invalidParameter('since', `since cannot be ${JSON.stringify(since.slice(0, 100))}.`, TIME_FORMS)
  }
}

export default changes
