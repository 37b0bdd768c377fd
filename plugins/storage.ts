import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Storage } from '../storage/kit/contract.ts'
import type { StoragePlugin } from '../storage/kit/define.ts'
import { isStorageFailure, StorageUnusable } from '../storage/kit/errors.ts'
import { backoff } from './kit/backoff.ts'
import { readFolder } from './kit/folder.ts'
import { createOutage } from './storage/outage.ts'
import { type Access, type Call, watchStorage } from './storage/watch.ts'

/** How long the start waits for the storage; after that it goes on trying beside the requests. */
const PATIENCE_MS = 1000

declare module 'fastify' {
  interface FastifyInstance {
    /** How the storage is, as far as what this process asked of it tells. */
    storageHealth: StorageHealth
  }
}

export interface StorageHealth {
  /** Whether the last attempts failed because of the storage. */
  isOut(access: Access): boolean
  /** Adds somebody who is told of the end of every call: it must cost next to nothing, and not throw. */
  onCall(listener: (call: Call) => void): void
}

/** Registers the one driver that `[server] storage` names, watches it, and brings its storage up to date. */
export default fp(
  async (app) => {
    const { server, storage } = app.config
    const outages = { reading: createOutage('reading', app.log), writing: createOutage('writing', app.log) }
    let isStarting = true
    const listeners = [
      (call: Call) => {
        // At the start this ends the process, with its message.
        if (!(isStarting && call.failure instanceof StorageUnusable)) outages[call.access].note(call)
      }
    ]
    app.decorate('storageHealth', {
      isOut: (access) => outages[access].isOut,
      onCall: (listener) => void listeners.push(listener)
    })
    const tell = (call: Call) => {
      for (const listener of listeners) listener(call)
    }
    const drivers = await readFolder<StoragePlugin>(new URL('../storage/', import.meta.url))
    await app.register(drivers.get(server.storage)!, {
      options: storage,
      isReader: !server.roles.has('ingest'),
      around: (storage) => watchStorage(storage, tell)
    })

    const stop = new AbortController()
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
      return await storage.migrate()
    } catch (error) {
      if (error instanceof StorageUnusable && mayFail()) throw error
      if (!isStorageFailure(error)) log.error({ err: error }, 'a fault in bringing the storage up to date')
      await sleep(backoff(failures), undefined, { signal }).catch(() => undefined)
    }
  }
}
