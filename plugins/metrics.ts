import fp from 'fastify-plugin'
import type { Registry } from 'prom-client'
import type { SourceState, Storage } from '../storage/kit/contract.ts'
import type { Source } from './sources.ts'

declare module 'fastify' {
  interface FastifyInstance {
    metrics(): Promise<Registry>
  }
}

/**
 * What Prometheus reads at `/metrics`. All of it comes from the storage, so it is the same whichever process is asked, and
 * goes on where it was after a restart.
 */
export default fp(
  async (app) => {
    let metrics: Promise<Registry> | undefined
    app.decorate('metrics', () => (metrics ??= createMetrics(app.storage, app.sources.list)))
  },
  { name: 'metrics', dependencies: ['storage', 'sources'] }
)

/** Its package is loaded for who asks for the first time. */
async function createMetrics(storage: Storage, sources: readonly Source[]): Promise<Registry> {
  const prometheus = await import('prom-client')
  const metrics = new prometheus.Registry()
  countRuns(prometheus, metrics, storage)
  watchSources(prometheus, metrics, storage, sources)
  return metrics
}

type Prometheus = typeof import('prom-client')

function countRuns({ Counter }: Prometheus, metrics: Registry, storage: Storage): void {
  const runs = new Counter({
    name: 'event_service_runs_total',
    help: 'Runs that ended, by their source, kind and outcome, and by the reason of those that did not succeed',
    labelNames: ['source', 'kind', 'outcome', 'reason'],
    registers: [metrics],
    async collect() {
      const totals = await storage.runTotals()
      runs.reset()
      for (const { source, kind, outcome, reason, runs: n } of totals) {
        runs.inc({ source, kind, outcome, reason: reason ?? '' }, n)
      }
    }
  })
}

function watchSources({ Gauge }: Prometheus, metrics: Registry, storage: Storage, sources: readonly Source[]): void {
  /** @param read undefined where there is no value */
  function watch(name: string, help: string, read: (state: SourceState | undefined) => number | undefined): void {
    const gauge = new Gauge({
      name: `event_service_source_${name}`,
      help,
      labelNames: ['source'],
      registers: [metrics],
      async collect() {
        const states = await storage.sources()
        for (const { name: source } of sources) {
          const value = read(states.find((state) => state.source === source))
          if (value !== undefined) gauge.set({ source }, value)
        }
      }
    })
  }
  watch('last_success_timestamp_seconds', 'When the last complete or unchanged fetch of a source ended', (state) =>
    state?.last_success_at ? Date.parse(state.last_success_at) / 1000 : undefined
  )
  watch('failures', 'Failed fetches of a source in a row, up to now', (state) => state?.circuit.failures ?? 0)
  watch('suspicious', '1 while nothing is delisted because too many events are missing at once', (state) =>
    state?.suspicion ? 1 : 0
  )
}
