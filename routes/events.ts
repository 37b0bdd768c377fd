import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { digest } from '../plugins/kit/digest.ts'
import type { Question } from '../plugins/pages.ts'
import type { PageRequest } from '../storage/kit/contract.ts'
import { EventFieldsSchema, EventSchema } from '../storage/kit/event.ts'
import type { EventQuery } from '../storage/kit/filters.ts'
import { NOT_MODIFIED } from './kit/answer-headers.ts'
import { dependsOnNow, toEventQuery } from './kit/event-query.ts'
import { EventsAnswer } from './kit/events-answer.ts'
import { pageInfo, pageLinks } from './kit/paging.ts'
import { ListQuery } from './kit/query-schema.ts'
import { pickFields, renderPage } from './kit/render-page.ts'
import { QUERY_FAILURES } from './kit/responses.ts'

/** Counted exactly up to here. */
const MOST_COUNTED = 10_000
/** What is understood by the time. */
const TIMES = ['start_date', 'end_date', 'updated_since', 'as_of', 'available', 'tz'] as const

const events: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [EventSchema, EventFieldsSchema]) app.addSchema(schema)

  app.get(
    '/events',
    {
      schema: {
        operationId: 'listEvents',
        tags: ['events'],
        summary: 'Events between two dates',
        description: 'From the storage alone, whatever state the providers are in; events that are over stay.',
        querystring: ListQuery,
        response: { 200: EventsAnswer, ...NOT_MODIFIED, ...QUERY_FAILURES }
      },
      // After whatever may refuse a request, before its query is looked at: that was done when it was first answered.
      preParsing: (request, reply, _payload, done) => {
        if (!app.pages.answerAgain(request, reply)) done()
      }
    },
    async (request, reply) => app.pages.answer(request, reply, await toQuestion(request.query, request.url))
  )

  async function toQuestion(query: ListQuery, url: string): Promise<Question> {
    const { limit, cursor, count } = query
    // Whatever their order, an event's stay in its own.
    const fields = query.fields === undefined ? undefined : [...new Set(query.fields.split(','))].sort()
    const asked = await understand(query)
    const { now, key } = asked
    const isTimeless = !dependsOnNow(query)
    // Today and its date are one question, but their cursors are not: those of today say which day that was.
    const times = isTimeless ? '' : JSON.stringify(TIMES.map((name) => query[name] ?? null))
    const rest = [times, cursor ?? '', fields ?? '', count ? 'count' : ''].join(' ')
    return {
      // Of most queries there is no rest, and no other digest to be made.
      key: rest.trim() === '' ? `${key}.${limit}` : `${key} ${limit} ${rest}`,
      isTimeless,
      hasMeta: true,
      async read(revision) {
        const page: PageRequest = { limit, ...(asked.after && { after: asked.after }) }
        const found = await app.storage.find(asked.query, page, revision)
        const total = count ? await app.storage.count(asked.query, MOST_COUNTED) : undefined
        const next = found.next && (await app.cursors.encode(found.next, key, now))
        const info = { ...pageInfo(limit, next), ...(total !== undefined && { total: toTotal(total) }) }
        const json = fields === undefined ? found.json : await pickFields(found.json, fields)
        return { body: renderPage(json, JSON.stringify(info)), link: pageLinks(url, next) }
      }
    }
  }

  /** On all pages of a walk "now" is what it was on the first one. */
  async function understand(query: ListQuery): Promise<Understood> {
    const at = (now: number): Understood => {
      const meant = toEventQuery(query, now)
      return { query: meant, key: digest(JSON.stringify(meant)), now: dependsOnNow(query) ? now : 0 }
    }
    if (query.cursor === undefined) return at(Date.now())
    const { position, now } = await app.cursors.decode(query.cursor, (now) => at(now).key)
    return { ...at(now), after: position }
  }
}

interface Understood {
  query: EventQuery
  key: string
  now: number
  after?: PageRequest['after']
}

export default events

function toTotal(found: number) {
  return found > MOST_COUNTED ? { value: MOST_COUNTED, relation: 'more_than' } : { value: found, relation: 'exactly' }
}
