import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Storage } from '../storage/kit/contract.ts'
import type { StoragePlugin } from '../storage/kit/define.ts'
import { StorageUnusable } from '../storage/kit/errors.ts'
import { backoff } from './kit/backoff.ts'
import { readFolder } from './kit/folder.ts'

/** How long the start waits for the storage; after that it goes on trying beside the requests. */
const PATIENCE_MS = 1000

/** Registers the one driver that `[server] storage` names, and brings its storage up to date. */
export default fp(
  async (app) => {
    const { server, storage } = app.config
    const drivers = await readFolder<StoragePlugin>(new URL('../storage/', import.meta.url))
    await app.register(drivers.get(server.storage)!, { options: storage, isReader: !server.roles.has('ingest') })

    const stop = new AbortController()
    let isStarting = true
    const migrated = migrateUntilDone(app.storage, { log: app.log, signal: stop.signal, mayFail: () => isStarting })
    app.addHook('onClose', async () => {
      stop.abort()
      await migrated.catch(() => undefined)
    })
    await Promise.race([migrated, sleep(PATIENCE_MS)])
    isStarting = false
  },
  { name: 'storage', dependencies: ['config'] }
)

interface Trying {
  log: FastifyBaseLogger
  signal: AbortSignal
  /** Whether somebody waits for the failure. */
  mayFail(): boolean
}

async function migrateUntilDone(storage: Storage, { log, signal, mayFail }: Trying): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await storage.migrate()
      if (failures > 0) log.info('the storage answers')
      return
    } catch (error) {
      const isUnusable = error instanceof StorageUnusable
      // At the start this ends the process, with its message; later there is no one left to tell but the log.
      if (isUnusable && mayFail()) throw error
      const ms = backoff(failures)
      // Without the stack: what counts is the message, and it comes again.
      const line = { reason: (error as Error).message, retry_ms: ms }
      if (isUnusable) log.fatal(line, 'the storage cannot be used until somebody mends it')
      else log.warn(line, 'the storage does not answer; trying again')
      await sleep(ms, undefined, { signal }).catch(() => undefined)
    }
  }
}
