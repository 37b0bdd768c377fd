import { defineJob } from './kit/define.ts'

/** Of each source. */
const RUNS = 1000
const DAY_MS = 86_400_000

/** Deletes old runs and commands, and what events were long ago; events are never deleted. */
export default defineJob((app) => ({
  name: 'prune-history',
  cron: '17 3 * * *',
  timeoutMs: 600_000,
  run: ({ lease }) => {
    const { history_days: days } = app.config.server
    const historySince = new Date(lease.now().getTime() - days * DAY_MS).toISOString()
    return app.storage.prune({ runs: RUNS, ...(days > 0 && { historySince }) })
  }
}))
