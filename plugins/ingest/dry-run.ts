import type { SourceAdapter } from '../../adapters/kit/contract.ts'
import type { Storage } from '../../storage/kit/contract.ts'
import type { Source } from '../sources.ts'
import { createDryStorage } from './dry-run/dry-storage.ts'
import type { DryRunResult } from './dry-run/result.ts'
import { fetchSource } from './fetch.ts'
import type { RunContext } from './record-run.ts'

/**
 * What a fetch of the source would do now. It is that very fetch, over a storage that writes nothing: there is no run of it,
 * no state, no circuit, no reject and no snapshot.
 * @throws what the storage throws, and `LeaseLost`: then nothing is known
 */
export async function dryRunSource(source: Source, adapter: SourceAdapter, context: RunContext): Promise<DryRunResult> {
  const dry = createDryStorage(context.storage, source.name, context.lease)
  const storage = dry.storage as Storage
  // Nor is a body compressed that is not kept.
  const run = await fetchSource({ ...source, keep_snapshots: 0 }, adapter, { ...context, storage })
  const { outcome, reason, detail, counts } = run
  return { outcome: outcome!, reason, detail, counts, changes: await dry.changes() }
}
