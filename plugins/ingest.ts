import fp from 'fastify-plugin'
import type { Run } from '../storage/kit/run.ts'
import { ingestSource } from './ingest/run.ts'
import type { JobContext } from './jobs/kit/contract.ts'
import type { Source } from './sources.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** One run of one source, from its feed into the storage. Never throws for what is wrong with the feed. */
    ingest(source: Source, context: JobContext): Promise<Run>
  }
}

/** The way of the data: adapter → check → batch → bulk write → delist → save state. */
export default fp(
  async (app) => {
    app.decorate('ingest', (source: Source, context: JobContext) =>
      ingestSource(source, app.adapters.get(source.adapter)!, { ...context, storage: app.storage, http: app.http })
    )
  },
  { name: 'ingest', dependencies: ['storage', 'http', 'adapters', 'sources'] }
)
