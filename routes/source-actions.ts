import createError from '@fastify/error'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { CommandResultSchema } from '../plugins/ingest/dry-run/result.ts'
import type { Source } from '../plugins/sources.ts'
import { CommandSchema } from '../storage/kit/command.ts'
import { RunSchema } from '../storage/kit/run.ts'
import { PATIENCE_MS } from './kit/command-answer.ts'
import { findSource, NameParams } from './kit/find-source.ts'
import { NoQuery } from './kit/paging.ts'
import { ADMIN_FAILURES, conflict, notFound } from './kit/responses.ts'
import { ACCEPTED, RunRef, runAddress, runOf } from './kit/run-answer.ts'

const NothingToConfirm = createError<[string]>('EVT_NOTHING_TO_CONFIRM', '%s', 409)

/** What an operator does with a source. */
const sourceActions: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [RunSchema, CommandSchema, CommandResultSchema]) app.addSchema(schema)
  const { storage, commands } = app

  const about = { tags: ['sources'], security: [{ admin: [] }], params: NameParams, querystring: NoQuery }
  const failures = { ...ADMIN_FAILURES, ...notFound('source') }

  const switches = [
    {
      kind: 'pause',
      operationId: 'pauseSource',
      summary: 'Stops fetching a source',
      description:
        'In all processes, for as long as it takes. A fetch that is under way is aborted; what it wrote stays.'
    },
    {
      kind: 'resume',
      operationId: 'resumeSource',
      summary: 'Fetches a paused source again',
      description: 'At once, if its cron was due meanwhile.'
    }
  ] as const
  for (const { kind, ...texts } of switches) {
    app.post(
      `/sources/:name/${kind}`,
      {
        schema: {
          ...about,
          ...texts,
          response: { 200: Type.Ref(CommandSchema.$id!, { description: 'It is in force' }), ...failures }
        }
      },
      async ({ params }, reply) => reply.send(await commands.ask(findSource(app.sources.list, params.name), kind))
    )
  }

  const actions = [
    {
      url: '/sources/:name/confirm',
      kind: 'confirm',
      operationId: 'confirmSource',
      summary: 'Delists what a suspicious run lacked',
      description:
        'After a run with the outcome `suspicious`, once a person has seen that these events are really gone.'
    },
    {
      url: '/sources/:name/rejects/redrive',
      kind: 'redrive',
      operationId: 'redriveRejects',
      summary: 'Tries the rejects of a source again',
      description:
        'After a fix. One that passes becomes an event and leaves the list; `counts.rejected` are those that stay.'
    }
  ] as const
  for (const { url, kind, ...texts } of actions) {
    app.post(
      url,
      {
        schema: {
          ...about,
          ...texts,
          response: {
            200: RunRef('What was done, as it stands among the runs of the source'),
            ...ACCEPTED,
            ...failures,
            ...(kind === 'confirm' && conflict('The last complete run is believed (`nothing_to_confirm`)'))
          }
        }
      },
      async ({ params }, reply) => {
        const source = findSource(app.sources.list, params.name)
        if (kind === 'confirm') await refuseToConfirm(source)
        const command = await commands.ask(source, kind, PATIENCE_MS)
        const run = await runOf(storage, command)
        if (command.finished_at !== null) return reply.send(run!)
        return reply.code(202).header('location', runAddress(command)).send(run!)
      }
    )
  }

  async function refuseToConfirm({ name }: Source): Promise<void> {
    const known = (await storage.sources()).find(({ source }) => source === name)
    if (known?.suspicion) return
    throw new NothingToConfirm(`The last complete run of ${name} is believed: there is nothing to confirm.`)
  }
}

export default sourceActions
