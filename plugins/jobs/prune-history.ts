import { defineJob } from './kit/define.ts'

/** Of each source. */
const KEEP = { runs: 1000 }

/** Deletes old runs and commands; events are never deleted. */
export default defineJob((app) => ({
  name: 'prune-history',
  cron: '17 3 * * *',
  timeoutMs: 60_000,
  run: () => app.storage.prune(KEEP)
}))
