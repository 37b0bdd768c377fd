import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Storage } from '../../../storage/kit/contract.ts'
import type { Run } from '../../../storage/kit/run.ts'
import { ADMIN_TOKEN } from '../../helper.ts'
import { type Provider, startProvider } from '../../provider.ts'
import { createServices, type Service, until } from '../../service.ts'
import { createStore } from '../../storage/fixtures.ts'
import { openRaw, type RawStore } from './raw-store.ts'

/** Processes of one service, which share a store and a provider. */
export interface Fleet extends AsyncDisposable {
  provider: Provider
  /** The store as one more process sees it: this one. */
  storage: Storage
  raw: RawStore
  /** One more process, with the role `ingest` unless it says otherwise. */
  run(env?: Record<string, string>): Promise<Service>
  /** All runs of `demo`, oldest first. */
  runs(): Promise<Run[]>
}

/** Keys of a section of the configuration. */
type Keys = Record<string, unknown>

/** @param sources keys of each, besides the adapter and the provider's address */
export async function startFleet(driver: string, sources: Record<string, Keys>): Promise<Fleet> {
  const store = await createStore(driver, { isApart: true })
  const provider = await startProvider()
  const services = await createServices()
  const raw = openRaw(driver, store.options)
  const known = { adapter: 'provider-xml', url: provider.url, allow_private: true, vanish_guard: false }
  const sections: [string, Keys][] = [
    ['server', { storage: driver, admin_token: ADMIN_TOKEN }],
    [driver, store.options],
    ...Object.entries(sources).map(([name, keys]): [string, Keys] => [`source.${name}`, { ...known, ...keys }])
  ]
  const config = sections.map(([name, keys]) => `[${name}]\n${writeKeys(keys)}`).join('')
  return {
    provider,
    storage: store.storage,
    raw,
    run: (env) => services.run(config, { EVENTS_SERVER_ROLES: 'ingest', EVENTS_SERVER_PORT: '0', ...env }),
    runs: async () => (await store.storage.runs('demo', { limit: 1000 })).items.reverse(),
    async [Symbol.asyncDispose]() {
      await services[Symbol.asyncDispose]()
      await provider.close()
      await raw.close()
      await store.close()
    }
  }
}

function writeKeys(keys: Keys): string {
  return Object.entries(keys)
    .map(([key, value]) => `${key} = "${value}"\n`)
    .join('')
}

/** For `NODE_OPTIONS` of a process: what is done in it before anything else. */
export function preload(name: 'short-lease' | 'wrong-clock' | 'note-accepted'): string {
  return `--import=${fileURLToPath(new URL(`preload/${name}.ts`, import.meta.url))}`
}

/** The first run after that one, once it has ended. */
export function nextEnd(fleet: Fleet, before: Run | undefined): Promise<Run> {
  return until(async () => {
    const runs = await fleet.runs()
    const next = runs[runs.findIndex(({ id }) => id === before?.id) + 1]
    return next !== undefined && next.outcome !== null && next
  })
}

/** Resolves when the process says that it listens, which is when it also looks for what is due. */
export const listening = (service: Service) => until(() => service.output().includes('Server listening'))

/** Keys of a source that is fetched when somebody asks for it. */
export const NEVER = { cron: '0 0 29 2 *', run_at_start: false }

/** Stops a process, but not in the middle of a write to a file, with which it would keep everybody else from writing. */
export async function standStill(fleet: Fleet, { process }: Service): Promise<void> {
  process.kill('SIGSTOP')
  while (fleet.raw.isLocked()) {
    process.kill('SIGCONT')
    await sleep(2)
    process.kill('SIGSTOP')
  }
}

/** The process that has the lease of `demo`; null while none has. */
export async function holderOf(fleet: Fleet): Promise<number | null> {
  const lease = (await fleet.storage.agenda()).leases.find(({ name }) => name === 'source:demo')
  return lease?.holder ? Number(lease.holder.split('/')[1]) : null
}
