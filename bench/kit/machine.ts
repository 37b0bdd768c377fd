import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus } from 'node:os'
import { CONNECTIONS } from './load.ts'
import { isPinned } from './processes.ts'

/** Where and with what the figures were measured. */
export function describeMachine(): string {
  const pinned = isPinned ? 'it on one core and the server on another' : 'not pinned to cores'
  return (
    `${availableParallelism()} cores of ${cpus()[0]?.model ?? 'an unknown CPU'}, Node ${process.versions.node}, ` +
    `fastify ${version('fastify')}. Load: autocannon ${version('autocannon')}, ${CONNECTIONS} connections, ${pinned}.`
  )
}

function version(name: string): string {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`)
  return JSON.parse(readFileSync(file, 'utf8')).version
}
