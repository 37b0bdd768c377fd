import type { FastifyBaseLogger } from 'fastify'
import type { Config } from './load.ts'

const FIXED = ['host', 'port', 'roles'] as const

/** What a service that runs can take over of `next`: all but where it listens and what it does. The rest is logged. */
export function keepFixed(before: Config, next: Config, log: FastifyBaseLogger): Config {
  const text = (value: unknown) => (value instanceof Set ? [...value].sort().join() : value)
  const keys = FIXED.filter((key) => text(before.server[key]) !== text(next.server[key]))
  if (keys.length > 0) log.warn({ keys }, 'these of [server] stay as they were until the service is started anew')
  const { host, port, roles } = before.server
  return { ...next, server: { ...next.server, host, port, roles } }
}
