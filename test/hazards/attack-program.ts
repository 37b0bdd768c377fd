import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread, Worker } from 'node:worker_threads'
import { buildApp } from '../../app.ts'
import { readConfig } from '../../plugins/config.ts'
import { YOUNG_MB } from '../../plugins/kit/supervise-thread.ts'
import { GOOD_RUNS } from './attack.ts'

/**
 * Runs the source `demo` in a thread with the limits that the service gives to it: some times on what is good, until
 * memory no longer grows, then once under attack, as its cron would. Prints the record of that run, how long it took, and how
 * much the memory (RSS) of the process grew at its peak over what it was before.
 */
const config = await readConfig()
if (isMainThread) {
  const limits = { maxOldGenerationSizeMb: config.server.ingest_heap_mb, maxYoungGenerationSizeMb: YOUNG_MB }
  new Worker(new URL(import.meta.url), { resourceLimits: limits })
} else {
  await compare()
}

async function compare(): Promise<void> {
  const server = { ...config.server, roles: new Set(['ingest'] as const), log_level: 'silent' }
  const app = await buildApp({ config: { ...config, server }, tick: false })
  await app.ready()
  const source = app.sources.list[0]!
  for (let i = 0; i < GOOD_RUNS; i++) {
    // On a busy machine it may take longer than an attack may.
    const options = { timeoutMs: 60_000 }
    const good = await app.operate(source, (context) => app.ingest.fetch(source, context), options)
    if (good.reason !== null) throw new Error(`the good run was not: ${JSON.stringify(good)}`)
  }
  const before = readRss('VmRSS')
  resetPeak()
  const started = performance.now()
  await app.jobs.run('source:demo')
  const milliseconds = performance.now() - started
  const growth = readRss('VmHWM') - before
  const [attacked] = (await app.storage.runs('demo', { limit: 1 })).items
  await app.close()
  console.log(JSON.stringify({ run: attacked, milliseconds, growth }))
}

/** In bytes. */
function readRss(name: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) * 1024
}

/** The kernel forgets the peak, and begins anew. */
function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5')
}
