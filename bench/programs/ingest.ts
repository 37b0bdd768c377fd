import { buildApp } from '../../app.ts'
import { readConfig } from '../../plugins/config.ts'

/** Runs the source `bench` once, as its cron would, and prints the seconds it took and its record. */
const config = await readConfig()
const server = { ...config.server, roles: new Set(['ingest'] as const), log_level: 'silent' }
const app = await buildApp({ config: { ...config, server }, tick: false })
await app.ready()

const started = performance.now()
await app.jobs.run('source:bench')
const seconds = (performance.now() - started) / 1000

const { items } = await app.storage.runs('bench', { limit: 1 })
await app.close()
console.log(JSON.stringify({ seconds, run: items[0] }))
