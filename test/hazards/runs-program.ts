import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { buildApp } from '../../app.ts'
import { readConfig } from '../../plugins/config.ts'

/**
 * Runs the source `demo` as often as it is told, and prints after each run the bytes of the heap that are in use when all
 * garbage is gone, and how many files and sockets are open.
 */
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const runs = Number(process.argv[2])

const config = await readConfig()
const server = { ...config.server, roles: new Set(['ingest'] as const), log_level: 'silent' }
const app = await buildApp({ config: { ...config, server }, tick: false })
await app.ready()

// Typed arrays, so that what is measured does not grow with the measuring.
const heap = new Float64Array(runs)
const files = new Float64Array(runs)
for (let i = 0; i < runs; i++) {
  await app.jobs.run('source:demo')
  collectGarbage()
  heap[i] = process.memoryUsage().heapUsed
  files[i] = readdirSync('/proc/self/fd').length
}
const outcomes: Record<string, number> = {}
const { items } = await app.storage.runs('demo', { limit: runs })
for (const { outcome, reason } of items) {
  const how = reason ?? String(outcome)
  outcomes[how] = (outcomes[how] ?? 0) + 1
}
await app.close()
console.log(JSON.stringify({ heap: [...heap], files: [...files], outcomes }))
