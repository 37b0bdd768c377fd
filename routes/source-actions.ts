import createError from '@fastify/error'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { CommandResultSchema } from '../plugins/ingest/dry-run/result.ts'
import type { Source } from '../plugins/sources.ts'
import { CommandSchema } from '../storage/kit/command.ts'
import { RunSchema } from '../storage/kit/run.ts'
import { CommandRef, commandAddress, sendCommand } from './kit/command-answer.ts'
import { findSource, NameParams } from './kit/find-source.ts'
import { NoQuery, WithDefault } from './kit/paging.ts'
import { ADMIN_FAILURES, notFound } from './kit/responses.ts'
import { ACCEPTED, RunRef, runAddress, runOf } from './kit/run-answer.ts'

const NothingToConfirm = createError<[string]>('EVT_NOTHING_TO_CONFIRM', '%s', 409)
const SourcePaused = createError<[string]>('EVT_SOURCE_PAUSED', '%s', 409)
const SourceDisabled = createError<[string]>('EVT_SOURCE_DISABLED', '%s', 409)

/** How long an answer waits for what was asked for: less than a request may take. */
const PATIENCE_MS = 10_000

const RunQuery = Type.Object(
  {
    dry_run: WithDefault(
      Type.Boolean({
        default: false,
        description: 'Whether only to say what the run would change',
        'x-allowed': 'true or false'
      })
    )
  },
  { additionalProperties: false }
)

/** What an operator does with a source. */
const sourceActions: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [RunSchema, CommandSchema, CommandResultSchema]) app.addSchema(schema)
  const { storage, commands } = app

  const about = { tags: ['sources'], security: [{ admin: [] }], params: NameParams, querystring: NoQuery }
  const failures = { ...ADMIN_FAILURES, ...notFound('source') }

  async function refuseToRun({ name, enabled }: Source): Promise<void> {
    if (!enabled) throw new SourceDisabled(`${name} has enabled = false in the configuration: nothing fetches it.`)
    if ((await storage.paused()).includes(name)) {
      throw new SourcePaused(`${name} is paused: resume it first (POST /v1/api/sources/${name}/resume).`)
    }
  }

  app.post(
    '/sources/:name/runs',
    {
      schema: {
        ...about,
        querystring: RunQuery,
        operationId: 'runSource',
        summary: 'Fetches a source now, or says what that would change',
        description:
          'Whatever its cron says, and even while it is spared after failures. However many ask at once, one run is made: who ' +
          'asks while one that was asked for waits, is under way, or is less than a second old gets the address of that one. ' +
          'With `dry_run=true` the source is read in the same way, but nothing is written: the answer is what a run would do, ' +
          'event by event and field by field. That can be asked of a source that is paused or not enabled, too.',
        response: {
          200: CommandRef('What a run would do, in `result` (`dry_run=true`)'),
          202: Type.Union([ACCEPTED[202], CommandRef('The dry run, which waits or is under way')], {
            description:
              'It is not done yet. `Location` is the address of its run or, with `dry_run=true` after ten seconds, of the ' +
              'command, which has the result in the end: look again there',
            headers: ACCEPTED[202].headers
          }),
          ...failures
        }
      }
    },
    async ({ params, query }, reply) => {
      const source = findSource(app.sources.list, params.name)
      if (query.dry_run) {
        const command = await commands.ask(source, 'dry_run', PATIENCE_MS)
        if (command.finished_at === null) reply.code(202).header('location', commandAddress(command))
        return sendCommand(reply, command)
      }
      await refuseToRun(source)
      const command = await commands.ask(source, 'run')
      const run = await runOf(storage, command)
      return reply.code(202).header('location', runAddress(command)).send(run!)
    }
  )

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
            ...failures
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
