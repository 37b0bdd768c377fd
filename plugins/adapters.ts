import fp from 'fastify-plugin'
import type { SourceAdapter } from '../adapters/kit/contract.ts'
import type { AdapterPlugin } from '../adapters/kit/define.ts'
import { readFolder } from './kit/folder.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** By name of their file. */
    adapters: Map<string, SourceAdapter>
  }
}

/** Registers every file of `adapters/`. */
export default fp(
  async (app) => {
    app.decorate('adapters', new Map())
    for (const [name, adapter] of await readFolder<AdapterPlugin>(new URL('../adapters/', import.meta.url))) {
      await app.register(adapter, { name })
    }
  },
  { name: 'adapters' }
)
