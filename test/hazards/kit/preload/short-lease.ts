import { registerHooks } from 'node:module'
import { SHORT_LEASE_MS } from '../short-lease.ts'

// The same program, but for how long its leases are: a test cannot wait 15 seconds each time.
const LENGTH = /LEASE_MS = 15_000\b/

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (!url.endsWith('/plugins/scheduler/run-job.ts')) return loaded
    const source = String(loaded.source)
    if (!LENGTH.test(source)) throw new Error(`${url} does not say how long a lease is`)
    return { ...loaded, source: source.replace(LENGTH, `LEASE_MS = ${SHORT_LEASE_MS}`) }
  }
})
