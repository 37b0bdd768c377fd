import { Bitmap } from '../../storage/kit/bitmap.ts'
import type { Run } from '../../storage/kit/run.ts'
import type { Source } from '../sources.ts'
import { forgetValidators } from './known-state.ts'
import { type Ending, type RunContext, recordRun } from './record-run.ts'

/** An operator believes what a suspicious run lacked: delists it. */
export async function confirmSource(source: Source, context: RunContext): Promise<Run> {
  const { storage } = context
  return recordRun(source, 'confirm', context, async ({ opened, known, counts }): Promise<Ending> => {
    context.signal.throwIfAborted()
    if (known.suspicion === null) return { outcome: 'unchanged', detail: 'there was nothing left to confirm' }
    counts.delisted = await storage.delist(opened, [...Bitmap.decode(known.suspicion.numbers)])
    // Should the former snapshot come back, a 304 must not stand in its way.
    return { outcome: 'complete', suspicion: null, state: forgetValidators(known.state) }
  })
}
