import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import fp from 'fastify-plugin'
import type { AdapterPlugin } from '../adapters/kit/define.ts'
import type { StoragePlugin } from '../storage/kit/define.ts'
import { type Config, loadConfig } from './config/load.ts'
import { readFolder } from './kit/folder.ts'

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
  }
}

const ROOT = new URL('../', import.meta.url)
const FOLDERS = { adapters: new URL('adapters/', ROOT), drivers: new URL('storage/', ROOT) }

/** What is configured. The only place that looks at the environment. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.decorate('config', config)
  },
  { name: 'config' }
)

/** @throws ConfigError with everything that is wrong, before anything is opened. */
export async function readConfig(env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const [drivers, adapters] = await Promise.all([
    readFolder<StoragePlugin>(FOLDERS.drivers),
    readFolder<AdapterPlugin>(FOLDERS.adapters)
  ])
  const file = resolve(env.EVENTS_CONFIG ?? fileURLToPath(new URL('config.ini', ROOT)))
  return loadConfig({ file, env, drivers, adapters })
}
