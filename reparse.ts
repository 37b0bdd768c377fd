import { parseArgs } from 'node:util'
import { buildApp } from './app.ts'
import { readConfig } from './plugins/config.ts'

/** `npm run reparse -- --source NAME`: reads the kept snapshots of a source again, without the network. */
const USAGE = 'npm run reparse -- --source NAME'
/** A run that is under way is waited for. */
const PATIENCE_MS = 60_000
const TIMEOUT_MS = 24 * 3_600_000

async function main(): Promise<void> {
  const { source: name } = parseArgs({ options: { source: { type: 'string' } } }).values
  const config = await readConfig()
  const source = config.sources.find((one) => one.name === name)
  if (source === undefined) {
    const names = config.sources.map((one) => one.name).join(', ')
    throw new Error(
      `${name === undefined ? 'no source is given' : `there is no source ${name}`}: ${USAGE}; sources: ${names}`
    )
  }
  const server = { ...config.server, roles: new Set(['ingest'] as const) }
  const app = await buildApp({ config: { ...config, server }, tick: false })
  await app.ready()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close())
  try {
    const options = { patienceMs: PATIENCE_MS, timeoutMs: TIMEOUT_MS }
    const runs = await app.operate(source, (context) => app.ingest.reparse(source, context), options)
    for (const { id, outcome, detail, counts } of runs) console.log(JSON.stringify({ id, outcome, detail, counts }))
    console.log(`snapshots of ${source.name} that were read again: ${runs.length}`)
    if (runs.some(({ outcome }) => outcome !== 'complete')) process.exitCode = 1
  } finally {
    await app.close()
  }
}

main().catch((error: Error) => {
  console.error(error.message)
  process.exitCode = 2
})
