import fp from 'fastify-plugin'
import type { Run } from '../storage/kit/run.ts'
import { confirmSource } from './ingest/confirm.ts'
import { fetchSource } from './ingest/fetch.ts'
import { redriveSource } from './ingest/redrive.ts'
import { reparseSource } from './ingest/reparse.ts'
import type { JobContext } from './jobs/kit/contract.ts'
import type { Source } from './sources.ts'

declare module 'fastify' {
  interface FastifyInstance {
    ingest: Ingest
  }
}

/** What can be done with a source, under its lease. Never throws for what is wrong with a feed. */
export interface Ingest {
  /** One run over its feed, into the storage. */
  fetch(source: Source, context: JobContext): Promise<Run>
  /** Reads its kept snapshots again, without the network. */
  reparse(source: Source, context: JobContext): Promise<Run[]>
  /** Tries its rejects again. */
  redrive(source: Source, context: JobContext): Promise<Run>
  /** Delists what a suspicious run lacked; an error (409) where there is nothing to confirm. */
  confirm(source: Source, context: JobContext): Promise<Run>
}

/** The way of the data: adapter → check → batch → bulk write → delist → save state. */
export default fp(
  async (app) => {
    const { storage, http, adapters } = app
    const adapterOf = (source: Source) => adapters.get(source.adapter)!
    app.decorate('ingest', {
      fetch: (source, context) => fetchSource(source, adapterOf(source), { ...context, storage, http }),
      reparse: (source, context) => reparseSource(source, adapterOf(source), { ...context, storage, http }),
      redrive: (source, context) => redriveSource(source, adapterOf(source), { ...context, storage, http }),
      confirm: (source, context) => confirmSource(source, { ...context, storage, http })
    } satisfies Ingest)
  },
  { name: 'ingest', dependencies: ['storage', 'http', 'adapters', 'sources'] }
)
