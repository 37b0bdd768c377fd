import { defineJob } from './kit/define.ts'

/** One job a source. After a failure the cron waits until the source may be tried again, and it is tried then. */
export default defineJob((app) =>
  app.sources.list
    .filter((source) => source.enabled)
    .map((source) => ({
      name: `source:${source.name}`,
      cron: source.cron,
      timezone: source.cron_timezone,
      atStart: source.run_at_start,
      timeoutMs: source.timeout * 1000,
      notBefore: async () => {
        const known = (await app.storage.sources()).find((one) => one.source === source.name)
        const retryAt = known?.circuit.retry_at ?? null
        return retryAt === null ? null : new Date(retryAt)
      },
      run: async (context) => {
        await app.ingest.fetch(source, context)
      }
    }))
)
