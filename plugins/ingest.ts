import fp from 'fastify-plugin'
import type { Run } from '../storage/kit/run.ts'
import type { DryRunResult } from './ingest/dry-run/result.ts'
import type { RunContext } from './ingest/record-run.ts'
import type { Source } from './sources.ts'

declare module 'fastify' {
  interface FastifyInstance {
    ingest: Ingest
  }
}

export type IngestContext = Omit<RunContext, 'storage' | 'http'>

/** What can be done with a source, under its lease. Never throws for what is wrong with a feed. */
export interface Ingest {
  /** One run over its feed, into the storage. */
  fetch(source: Source, context: IngestContext): Promise<Run>
  /** What `fetch` would do, which is not done: nothing is written. */
  dryRun(source: Source, context: IngestContext): Promise<DryRunResult>
  /** Reads its kept snapshots again, without the network. */
  reparse(source: Source, context: IngestContext): Promise<Run[]>
  /** Tries its rejects again. */
  redrive(source: Source, context: IngestContext): Promise<Run>
  /** Delists what a suspicious run lacked. */
  confirm(source: Source, context: IngestContext): Promise<Run>
}

/** The way of the data: adapter → check → batch → bulk write → delist → save state. */
export default fp(
  async (app) => {
    const { storage, http, adapters } = app
    const adapterOf = (source: Source) => adapters.get(source.adapter)!
    // Each is loaded when it is needed, so that a process that only answers requests does not have it in memory.
    app.decorate('ingest', {
      async fetch(source, context) {
        const { fetchSource } = await import('./ingest/fetch.ts')
        return fetchSource(source, adapterOf(source), { ...context, storage, http })
      },
      async dryRun(source, context) {
        const { dryRunSource } = await import('./ingest/dry-run.ts')
        return dryRunSource(source, adapterOf(source), { ...context, storage, http })
      },
      async reparse(source, context) {
        const { reparseSource } = await import('./ingest/reparse.ts')
        return reparseSource(source, adapterOf(source), { ...context, storage, http })
      },
      async redrive(source, context) {
        const { redriveSource } = await import('./ingest/redrive.ts')
        return redriveSource(source, adapterOf(source), { ...context, storage, http })
      },
      async confirm(source, context) {
        const { confirmSource } = await import('./ingest/confirm.ts')
        return confirmSource(source, { ...context, storage, http })
      }
    } satisfies Ingest)
  },
  { name: 'ingest', dependencies: ['storage', 'http', 'adapters', 'sources'] }
)
