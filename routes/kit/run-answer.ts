import { Type } from '@sinclair/typebox'
import type { Command, CommandKind } from '../../storage/kit/command.ts'
import type { Storage } from '../../storage/kit/contract.ts'
import { NO_COUNTS, type Run, type RunKind, RunSchema } from '../../storage/kit/run.ts'

/** Of commands that make a run. */
const KINDS: Partial<Record<CommandKind, RunKind>> = { run: 'fetch', redrive: 'redrive', confirm: 'confirm' }

/** The run of a command, which may still wait to be started; null for one that makes none, or whose run is pruned. */
export async function runOf(storage: Storage, { id, source, kind, finished_at }: Command): Promise<Run | null> {
  const run = await storage.run(source, id)
  if (run !== null) return run
  const runKind = KINDS[kind]
  if (runKind === undefined || finished_at !== null) return null
  const nothing = { started_at: null, finished_at: null, outcome: null, reason: null, detail: null }
  return { id, source, kind: runKind, ...nothing, counts: { ...NO_COUNTS } }
}

export const runAddress = ({ source, id }: Pick<Run, 'source' | 'id'>) => `/v1/api/sources/${source}/runs/${id}`

export const RunRef = (description: string) => Type.Ref(RunSchema.$id!, { description })

/** With its address in `Location`. */
export const ACCEPTED = {
  202: Type.Ref(RunSchema.$id!, {
    description: 'It is not done yet. `Location` is the address of its run, which answers at once: look again there',
    headers: { Location: { type: 'string', description: 'The address of the run' } }
  })
}
