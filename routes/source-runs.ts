import createError from '@fastify/error'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { NotFound } from '../plugins/errors/problem.ts'
import { CommandResultSchema } from '../plugins/ingest/dry-run/result.ts'
import type { Source } from '../plugins/sources.ts'
import { RunSchema } from '../storage/kit/run.ts'
import { CommandRef, commandAddress, PATIENCE_MS, sendCommand } from './kit/command-answer.ts'
import { findSource, NameParams } from './kit/find-source.ts'
import { NoQuery, UUID, WithDefault } from './kit/paging.ts'
import { ADMIN_FAILURES, conflict, FAILURES, notFound } from './kit/responses.ts'
import { ACCEPTED, RunRef, runAddress, runOf } from './kit/run-answer.ts'

const SourcePaused = createError<[string]>('EVT_SOURCE_PAUSED', '%s', 409)
const SourceDisabled = createError<[string]>('EVT_SOURCE_DISABLED', '%s', 409)

const IdParams = (what: string) =>
  Type.Object({
    ...NameParams.properties,
    id: Type.String({
      pattern: UUID.source,
      description: `\`id\` of a ${what}`,
      'x-allowed': `\`id\` of a ${what} of the source, a UUID`
    })
  })

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

/** Asking for a run, or what it would do, and seeing what became of it. */
const sourceRuns: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [RunSchema, CommandResultSchema]) app.addSchema(schema)
  const { storage, commands } = app

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
        tags: ['sources'],
        security: [{ admin: [] }],
        params: NameParams,
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
          ...ADMIN_FAILURES,
          ...conflict('The source is paused (`source_paused`) or not enabled (`source_disabled`)'),
          ...notFound('source')
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

  app.get(
    '/sources/:name/runs/:id',
    {
      schema: {
        operationId: 'getRun',
        tags: ['sources'],
        summary: 'One run of a source',
        description: 'Also one that was asked for and waits to be started: then `started_at` is null.',
        params: IdParams('run'),
        querystring: NoQuery,
        response: { 200: RunRef('The run'), ...FAILURES, ...notFound('run') }
      }
    },
    async ({ params }, reply) => {
      const { name } = findSource(app.sources.list, params.name)
      const { id } = params
      const command = await storage.command(name, id)
      const run = command === null ? await storage.run(name, id) : await runOf(storage, command)
      if (run === null) throw new NotFound(`There is no run ${id} of ${name}.`)
      return reply.send(run)
    }
  )

  app.get(
    '/sources/:name/commands/:id',
    {
      schema: {
        operationId: 'getCommand',
        tags: ['sources'],
        summary: 'One thing that people asked for',
        description: 'And what became of it; of a dry run, what a run would do.',
        params: IdParams('command'),
        querystring: NoQuery,
        response: { 200: CommandRef('The command'), ...FAILURES, ...notFound('command') }
      }
    },
    async ({ params }, reply) => {
      const { name } = findSource(app.sources.list, params.name)
      const command = await storage.command(name, params.id)
      if (command === null) throw new NotFound(`There is no command ${params.id} of ${name}.`)
      return sendCommand(reply, command)
    }
  )
}

export default sourceRuns
