import { ALERT_KINDS, type AlertKind } from '../../storage/kit/alert.ts'
import type { SourceState, Storage } from '../../storage/kit/contract.ts'
import { findOverdueAt, judgeFreshness, type Source } from '../sources.ts'

/** Whether there is now what somebody would be told of. */
export interface Finding {
  source: string
  kind: AlertKind
  /** When it began; later than now: it is nothing yet. null: there is nothing. */
  since: Date | null
}

interface FindOptions {
  sources: readonly Source[]
  /** How many failures in a row. */
  failures: number
  now: Date
}

/** One of every kind for each source that is configured here. */
export async function findAll(storage: Storage, { sources, failures, now }: FindOptions): Promise<Finding[]> {
  const [states, { paused }] = await Promise.all([storage.sources(), storage.agenda()])
  const freshness = judgeFreshness(sources, states, now)
  return Promise.all(
    sources.flatMap((source, index) => {
      const state = states.find((one) => one.source === source.name)
      const find: Record<AlertKind, () => Date | null | Promise<Date | null>> = {
        failing: () =>
          state !== undefined && state.circuit.failures >= failures ? firstFailure(storage, state, now) : null,
        // What somebody has paused is meant to be old.
        stale: () => (freshness[index]!.stale && !paused.includes(source.name) ? staleSince(source, state, now) : null),
        suspicious: () => (state?.suspicion ? suspiciousSince(storage, state, now) : null)
      }
      return ALERT_KINDS.map(
        async (kind): Promise<Finding> => ({
          source: source.name,
          kind,
          since: source.enabled ? await find[kind]() : null
        })
      )
    })
  )
}

/** As far back as is looked for it. */
const MOST_RUNS = 100

async function firstFailure(storage: Storage, { source, circuit }: SourceState, now: Date): Promise<Date> {
  const { items } = await storage.runs(source, { limit: Math.min(circuit.failures * 2, MOST_RUNS) })
  const failed = items.filter(
    ({ kind, outcome }) => kind === 'fetch' && (outcome === 'failed' || outcome === 'partial')
  )
  const first = failed.slice(0, circuit.failures).at(-1)
  return new Date(first?.started_at ?? now)
}

/** One that never succeeded, and is seen for the first time, has until its first run is overdue. */
function staleSince(source: Source, state: SourceState | undefined, now: Date): Date | null {
  if (state?.last_success_at) return findOverdueAt(source, new Date(state.last_success_at))
  return source.run_at_start ? new Date(now.getTime() + source.timeout * 1000) : findOverdueAt(source, now)
}

async function suspiciousSince(storage: Storage, { source, suspicion }: SourceState, now: Date): Promise<Date> {
  const run = await storage.run(source, suspicion!.run_id)
  return new Date(run?.started_at ?? now)
}
