import createError from '@fastify/error'
import { Bitmap } from '../../storage/kit/bitmap.ts'
import type { Run } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { readKnown } from './known-state.ts'
import { type Ending, type RunContext, recordRun } from './record-run.ts'

const NothingToConfirm = createError<[string]>('EVT_NOTHING_TO_CONFIRM', '%s', 409)

/** An operator believes what a suspicious run lacked: delists it. */
export async function confirmSource(source: Source, context: RunContext): Promise<Run> {
  const { storage } = context
  const { suspicion } = await readKnown(storage, source)
  if (suspicion === null) {
    throw new NothingToConfirm(`The last complete run of ${source.name} is believed: there is nothing to confirm.`)
  }
  return recordRun(source, 'confirm', context, async ({ opened, counts }): Promise<Ending> => {
    counts.delisted = await storage.delist(opened, [...Bitmap.decode(suspicion.numbers)])
    return { outcome: 'complete', suspicion: null }
  })
}
