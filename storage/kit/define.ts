import type { Static, TObject } from '@sinclair/typebox'
import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { Storage } from './contract.ts'

declare module 'fastify' {
  interface FastifyInstance {
    storage: Storage
  }
}

export interface StorageContext {
  app: FastifyInstance
  log: FastifyBaseLogger
  /** Whether it is opened for the API alone, which mostly reads: memory is then better spent on that. */
  isReader: boolean
}

export interface StorageDriver<Options extends TObject> {
  /** Schema of the driver's own section in `config.ini`, which has the name of the driver's file. */
  options: Options
  /**
   * Makes the storage, without waiting for a server. Throws `StorageUnusable` for what no waiting can mend.
   * What it opened it closes in `Storage.close`.
   */
  open(options: Static<Options>, context: StorageContext): Promise<Storage>
}

interface StoragePluginOptions {
  options: unknown
  isReader?: boolean
  /** Lays something around the storage, as all others are to see it. */
  around?: (storage: Storage) => Storage
}

export type StoragePlugin = FastifyPluginAsync<StoragePluginOptions> & { options: TObject }

/** A driver's default export: the plugin that decorates `app.storage` and closes it last of all. */
export function defineStorage<Options extends TObject>(driver: StorageDriver<Options>): StoragePlugin {
  const plugin: FastifyPluginAsync<StoragePluginOptions> = async (app, { options, isReader = false, around }) => {
    const storage = await driver.open(options as Static<Options>, { app, log: app.log, isReader })
    app.decorate('storage', around?.(storage) ?? storage)
    app.addHook('onClose', () => app.storage.close())
  }
  return Object.assign(fp(plugin, { name: 'storage-driver' }), { options: driver.options })
}
