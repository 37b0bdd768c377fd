import { defineJob } from './kit/define.ts'
import { throwIfLeft } from './kit/throw-if-left.ts'

/** One job a source. */
export default defineJob((app) =>
  app.sources.list
    .filter((source) => source.enabled)
    .map((source) => ({
      name: `source:${source.name}`,
      cron: source.cron,
      timezone: source.cron_timezone,
      atStart: source.run_at_start,
      timeoutMs: source.timeout * 1000,
      source,
      run: async (context) => {
        throwIfLeft(await app.ingest.fetch(source, context), context)
      }
    }))
)
