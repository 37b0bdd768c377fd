import createError from '@fastify/error'
import { Bitmap } from '../../storage/kit/bitmap.ts'
import type { Run } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { forgetValidators, readKnown } from './known-state.ts'
import { type Ending, type RunContext, recordRun } from './record-run.ts'

const NothingToConfirm = createError<[string]>('EVT_NOTHING_TO_CONFIRM', '%s', 409)

/** An operator believes what a suspicious run lacked: delists it. */
export async function confirmSource(source: Source, context: RunContext): Promise<Run> {
  const { storage } = context
  if ((await readKnown(storage, source)).suspicion === null) {
    throw new NothingToConfirm(`The last complete run of ${source.name} is believed: there is nothing to confirm.`)
  }
  return recordRun(source, 'confirm', context, async ({ opened, known, counts }): Promise<Ending> => {
    const numbers = known.suspicion === null ? [] : [...Bitmap.decode(known.suspicion.numbers)]
    counts.delisted = await storage.delist(opened, numbers)
    // Should the former snapshot come back, a 304 must not stand in its way.
    return { outcome: 'complete', suspicion: null, state: forgetValidators(known.state) }
  })
}
