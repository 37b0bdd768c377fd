import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AppOptions } from '../app.ts'
import { RETRY_AFTER, sendProblem } from '../plugins/errors/problem.ts'
import type { EventQuery } from '../storage/kit/filters.ts'
import { NoQuery } from './kit/paging.ts'
import { FAILURES } from './kit/responses.ts'

const Status = Type.Object({ status: Type.Literal('ok') }, { description: 'Yes' })
const Ready = Type.Object(
  { status: Type.Literal('ok'), checks: Type.Record(Type.String(), Type.Literal('ok')) },
  { description: 'Yes' }
)
const NOT_READY = {
  503: {
    ...FAILURES[503],
    description:
      'No, and `checks` has what is wrong: the storage (`storage_unavailable`), something else (`not_ready`), or it does not ' +
      'become known in time (`timeout`)'
  }
}

const health: FastifyPluginAsyncTypebox<Pick<AppOptions, 'ingest'>> = async (app, { ingest }) => {
  app.get(
    '/livez',
    {
      schema: {
        operationId: 'isLive',
        tags: ['health'],
        summary: 'Whether the process answers',
        description: 'Asks nothing of anybody else, the storage included: restart the process when it does not answer.',
        querystring: NoQuery,
        response: { 200: Status, 400: FAILURES[400] }
      }
    },
    async () => ({ status: 'ok' as const })
  )

  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'isReady',
        tags: ['health'],
        summary: 'Whether it can do its work',
        description:
          'The storage is reachable and migrated and, where this process ingests, can be written; who ingests for it is alive.',
        querystring: NoQuery,
        response: { 200: Ready, 400: FAILURES[400], ...NOT_READY }
      }
    },
    async (_request, reply) => {
      const storage = await checkStorage()
      const checks: Record<string, string> = { storage, ...(ingest && { ingest: checkIngest(ingest()) }) }
      const wrong = Object.entries(checks).filter(([, found]) => found !== 'ok')
      if (wrong.length === 0) return reply.send({ status: 'ok', checks: checks as Record<string, 'ok'> })
      const code = storage === 'ok' ? 'not_ready' : 'storage_unavailable'
      const detail = wrong.map(([name, found]) => `${name}: ${found}`).join('; ')
      return sendProblem(reply.header('retry-after', RETRY_AFTER), { status: 503, code, detail, checks })
    }
  )

  async function checkStorage(): Promise<string> {
    try {
      await app.storage.ping()
      // A file can be there and damaged.
      await app.storage.find(ANY, { limit: 1 })
    } catch {
      return 'it does not answer, or is not set up yet; the log of this process says why. It is tried again all the time'
    }
    const isStuck = app.config.server.roles.has('ingest') && app.storageHealth.isOut('writing')
    return isStuck
      ? 'it can be read, but not written; the log of this process says why. It is tried again all the time'
      : 'ok'
  }
}

export default health

const ANY: EventQuery = { filters: { match: 'within' }, sort: { by: 'start', descending: false } }

const checkIngest = (found: string) => (found === 'alive' ? 'ok' : found)
