import { isMainThread } from 'node:worker_threads'
import type { Family } from './family.ts'

/**
 * Of the process and of Node.js, from the first time that somebody asks: the package is loaded then.
 * @param role what this thread does: each has an event loop and a heap of its own
 */
export function measureRuntime(role: string): () => Promise<Family[]> {
  let started: Promise<() => Promise<Family[]>> | undefined
  const load = () => (started ??= start(role))
  return async () => (await load())()
}

async function start(role: string): Promise<() => Promise<Family[]>> {
  const { collectDefaultMetrics, Registry } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return async () => {
    const families = (await registry.getMetricsAsJSON()) as unknown as Family[]
    return (
      families
        // What is of the process is said by one of its threads. Gauges of this name go against Prometheus' conventions.
        .filter(
          ({ name, type }) =>
            (isMainThread || name.startsWith('nodejs_')) && (type !== 'gauge' || !name.endsWith('_total'))
        )
        .map((family) => ({ ...family, aggregator: aggregatorOf(family), values: withRole(family, role) }))
    )
  }
}

/** Of many processes the worst event loop counts, and what started last. */
function aggregatorOf({ name, aggregator }: Family): Family['aggregator'] {
  const isWorst = name.startsWith('nodejs_eventloop_lag') || name === 'process_start_time_seconds'
  return isWorst ? 'max' : aggregator
}

function withRole({ name, values }: Family, role: string): Family['values'] {
  if (!name.startsWith('nodejs_') || name === 'nodejs_version_info') return values
  // Of an event loop that has only just begun to be watched nothing is known.
  const known = values.filter(({ value }) => !Number.isNaN(value))
  return known.map((sample) => ({ ...sample, labels: { ...sample.labels, role } }))
}
