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
    await app.register(drivers.get(server.storage)!, { options: storage })

    const stop = new AbortController()
    const migrated = migrateUntilDone(app.storage, app.log, stop.signal)
    app.addHook('onClose', async () => {
      stop.abort()
      await migrated.catch(() => undefined)
    })
    await Promise.race([migrated, sleep(PATIENCE_MS, undefined, { signal: stop.signal })])
  },
  { name: 'storage', dependencies: ['config'] }
)

async function migrateUntilDone(storage: Storage, log: FastifyBaseLogger, signal: AbortSignal): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      await storage.migrate()
      if (failures > 0) log.info('the storage answers')
      return
    } catch (error) {
      // At the start this ends the process, with its message; later there is no one left to tell but the log.
      if (error instanceof StorageUnusable && failures === 0) throw error
      const ms = backoff(failures++)
      log.warn({ err: error, retry_ms: ms }, 'the storage does not answer; trying again')
      await sleep(ms, undefined, { signal }).catch(() => undefined)
    }
  }
}
