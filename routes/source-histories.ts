import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { CommandResultSchema } from '../plugins/ingest/dry-run/result.ts'
import { CommandSchema } from '../storage/kit/command.ts'
import type { Page, PageRequest, Storage } from '../storage/kit/contract.ts'
import { type Reject, RejectSchema } from '../storage/kit/reject.ts'
import { RunSchema } from '../storage/kit/run.ts'
import { findSource, NameParams } from './kit/find-source.ts'
import { PageInfo, PagingQuery, pageInfo, pageLinks } from './kit/paging.ts'
import { FAILURES, notFound } from './kit/responses.ts'

const PageQuery = Type.Object(PagingQuery, { additionalProperties: false })

/** A page of rejects ends when their raw texts have so many characters; they are read so many at a time. */
const MOST_RAW = 2_000_000
const READ_AT_ONCE = 20

/** How fetching a source went, and what was rejected. */
const sourceHistories: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [RunSchema, RejectSchema, CommandSchema, CommandResultSchema]) app.addSchema(schema)
  const read = {
    runs: (name: string, page: PageRequest) => app.storage.runs(name, page),
    rejects: (name: string, page: PageRequest) => readRejects(app.storage, name, page),
    commands: (name: string, page: PageRequest) => app.storage.commands(name, page)
  }

  const histories = [
    {
      kind: 'runs',
      operationId: 'listRuns',
      item: RunSchema,
      summary: 'Runs of a source, newest first',
      description: 'How each went, and how many events it made, changed and took off.'
    },
    {
      kind: 'rejects',
      operationId: 'listRejects',
      item: RejectSchema,
      summary: 'Rejects of a source, last seen first',
      description: 'A page has fewer of them than `limit` where their raw texts are long; go on at `next_cursor`.'
    },
    {
      kind: 'commands',
      operationId: 'listCommands',
      item: CommandSchema,
      summary: 'What people asked for, newest first',
      description: 'And what became of it. The results of dry runs are told of each command alone.'
    }
  ] as const
  for (const { kind, item, ...about } of histories) {
    app.get(
      `/sources/:name/${kind}`,
      {
        schema: {
          ...about,
          tags: ['sources'],
          params: NameParams,
          querystring: PageQuery,
          response: {
            200: Type.Object(
              { data: Type.Array(Type.Ref(item.$id!)), page: PageInfo },
              { description: `A page of ${kind}` }
            ),
            ...FAILURES,
            ...notFound('source')
          }
        }
      },
      async ({ params, query, url }, reply) => {
        const { name } = findSource(app.sources.list, params.name)
        const scope = `${kind} of ${name}`
        const after = query.cursor === undefined ? undefined : await app.cursors.decode(query.cursor, () => scope)
        const found = await read[kind](name, { limit: query.limit, ...(after && { after: after.position }) })
        const next = found.next && (await app.cursors.encode(found.next, scope))
        reply.header('link', pageLinks(url, next))
        return reply.send({ data: found.items, page: pageInfo(query.limit, next) })
      }
    )
  }
}

export default sourceHistories

/** As many as are asked for; fewer where they are long. */
async function readRejects(storage: Storage, source: string, { limit, after }: PageRequest): Promise<Page<Reject>> {
  const items: Reject[] = []
  let next = after ?? null
  let characters = 0
  do {
    const request = { limit: Math.min(READ_AT_ONCE, limit - items.length), ...(next && { after: next }) }
    const page = await storage.rejects(source, request)
    items.push(...page.items)
    for (const { raw } of page.items) characters += raw.length
    next = page.next
  } while (next !== null && items.length < limit && characters < MOST_RAW)
  return { items, next }
}
