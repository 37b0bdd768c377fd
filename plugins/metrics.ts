import { setTimeout as sleep } from 'node:timers/promises'
import fp from 'fastify-plugin'
import { isStorageFailure } from '../storage/kit/errors.ts'
import { aggregate } from './metrics/aggregate.ts'
import type { Family } from './metrics/family.ts'
import { readFromStorage } from './metrics/from-storage.ts'
import { measureRequests } from './metrics/requests.ts'
import { measureRuntime } from './metrics/runtime.ts'
import { measureStorage } from './metrics/storage-calls.ts'

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics
  }
}

export interface Metrics {
  /** Adds what else this process counts. */
  add(count: () => Family[]): void
  /** What this thread has counted since it started. */
  own(): Promise<Family[]>
  /** All of the service, as Prometheus reads it. */
  render(): Promise<{ contentType: string; text: string }>
}

export interface MetricsOptions {
  /** What all threads and processes have counted that this one answers for; left out: there is no other one. */
  all?: ((own: () => Promise<Family[]>) => Promise<Family[][]>) | undefined
}

/** Less than Prometheus waits: how the process is has to be known while the storage hangs. */
const STORAGE_MS = 5000

/** What Prometheus reads at `/metrics`. */
export default fp<MetricsOptions>(
  async (app, { all = async (own) => [await own()] }) => {
    const counted = [measureRequests(app), measureStorage(app.storageHealth)]
    const runtime = measureRuntime([...app.config.server.roles].join(','))
    const stored = readFromStorage(app.storage, app.sources)

    /** Without it, what is left says that it is away: `event_service_storage_up`. */
    async function readStored(): Promise<Family[]> {
      const families = stored().catch((error) => {
        if (isStorageFailure(error)) return []
        throw error
      })
      return Promise.race([families, sleep(STORAGE_MS, [], { ref: false })])
    }
    const own = async () => [...counted.flatMap((count) => count()), ...(await runtime())]

    app.decorate('metrics', {
      add: (count) => void counted.push(count),
      own,
      async render() {
        const fromStorage = await readStored()
        const registry = await aggregate([fromStorage, ...(await all(own))])
        return { contentType: registry.contentType, text: await registry.metrics() }
      }
    })
  },
  { name: 'metrics', dependencies: ['storage', 'sources'] }
)
