import type { TObject } from '@sinclair/typebox'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { SourceAdapter } from './contract.ts'

export type AdapterPlugin = FastifyPluginAsync<{ name: string }> & { options: TObject }

/** An adapter's default export: the plugin that adds it to `app.adapters` under the name of its file. */
export function defineAdapter<Options extends TObject>(adapter: SourceAdapter<Options>): AdapterPlugin {
  const plugin: FastifyPluginAsync<{ name: string }> = async (app, { name }) => {
    app.adapters.set(name, adapter as unknown as SourceAdapter)
  }
  return Object.assign(fp(plugin, { dependencies: ['adapters'] }), { options: adapter.options })
}
