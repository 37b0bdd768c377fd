import type { FastifyInstance } from 'fastify'
import type { Command } from '../../storage/kit/command.ts'
import type { JobContext } from '../jobs/kit/contract.ts'
import { throwIfLeft } from '../jobs/kit/throw-if-left.ts'
import type { Source } from '../sources.ts'

export interface CommandContext {
  app: FastifyInstance
  source: Source
  /** Whether the source was paused after it was asked for. */
  isPaused: boolean
  context: JobContext
}

/** So often is one begun that does not come to its end, of which the process may have died; then it is given up. */
const MOST_ATTEMPTS = 5

/**
 * Does what somebody asked for, under the lease of its source. The run that it makes has its id and, once closed, is what
 * says that it is done: whoever comes after a process that died in between does it again, or finds it done. A fetch that
 * the service's stop has cut short throws, as that of a job does. A dry run makes none, and changes nothing, so it is done
 * of a paused source, too.
 */
export async function doCommand(command: Command, { app, source, isPaused, context }: CommandContext): Promise<void> {
  const { id, kind } = command
  const { storage, ingest } = app
  const attempts = await storage.beginCommand(id)
  // Whoever has done it may have left it unfinished: when all stop, it stays so.
  if (attempts === null) return context.stop.throwIfAborted()
  const run = await storage.run(source.name, id)
  if (run !== null && run.outcome !== null) {
    await storage.finishCommand(id, { outcome: run.outcome, detail: run.detail })
    return throwIfLeft(run, context)
  }
  const log = context.log.child({ command: kind, asked_at: command.asked_at })
  const doing = { ...context, log, id }
  if (attempts > MOST_ATTEMPTS) {
    const detail = `it was begun ${MOST_ATTEMPTS} times and never came to its end`
    log.error({ attempts }, `the command is given up: ${detail}; see why processes end, or lose the storage`)
    doing.signal = AbortSignal.abort(new DOMException(detail, 'GivenUpError'))
  } else if (isPaused && kind === 'run') {
    doing.signal = AbortSignal.abort(new DOMException('the source was paused', 'PausedError'))
  }
  if (kind === 'run') throwIfLeft(await ingest.fetch(source, doing), context)
  else if (kind === 'dry_run') {
    const result = await ingest.dryRun(source, doing)
    const { outcome, detail } = result
    // It was cut short: whoever comes next begins it again, since there is nothing that it leaves unfinished.
    if (outcome === 'aborted' && context.signal.aborted) return
    await storage.finishCommand(id, { outcome, detail, result: JSON.stringify(result) })
  } else if (kind === 'redrive') await ingest.redrive(source, doing)
  else if (kind === 'confirm') await ingest.confirm(source, doing)
}
