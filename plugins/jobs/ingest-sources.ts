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
        const retryAt = Date.parse(known?.circuit.retry_at ?? '')
        // Further away than any can be, it was set while a clock was wrong.
        const most = Math.max(source.backoff_cap, source.retry_after_cap) * 1000
        return Number.isNaN(retryAt) || retryAt - Date.now() > most ? null : new Date(retryAt)
      },
      run: async (context) => {
        await app.ingest.fetch(source, context)
      }
    }))
)
