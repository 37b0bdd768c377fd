import { Cron } from 'croner'
import fp from 'fastify-plugin'
import type { LeaseState, SourceState } from '../storage/kit/contract.ts'
import type { Config } from './config/load.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sources: Sources
  }
}

export type Source = Config['sources'][number]

export interface Sources {
  /** All that are configured, in the order of the file. */
  list: readonly Source[]
  /** How old their data are; at most a second behind. */
  freshness(): Promise<Freshness[]>
}

export interface Freshness {
  name: string
  last_success_at: string | null
  /** When a run of it was last begun, whatever came of it; null: never. */
  last_attempt_at: string | null
  /** Whether a run was due, and its timeout has passed, without a success since; never for one that is not enabled. */
  stale: boolean
}

const FRESHNESS_MS = 1000

/** What is known of the sources, apart from their events. */
export default fp(
  async (app) => {
    const { sources: list } = app.config
    let freshness: Promise<Freshness[]> | undefined
    let readAt = Number.NEGATIVE_INFINITY

    app.decorate('sources', {
      list,
      freshness() {
        if (freshness === undefined || performance.now() - readAt > FRESHNESS_MS) {
          readAt = performance.now()
          freshness = Promise.all([app.storage.sources(), app.storage.agenda()]).then(([states, { now, leases }]) =>
            judgeFreshness(list, states, new Date(now), leases)
          )
          // A failure is for those who asked, not for the next ones.
          freshness.catch(() => (freshness = undefined))
        }
        return freshness
      }
    })
  },
  { name: 'sources', dependencies: ['config', 'storage'] }
)

export function judgeFreshness(
  sources: readonly Source[],
  states: SourceState[],
  now: Date,
  leases: LeaseState[] = []
): Freshness[] {
  const lastSuccess = new Map(states.map((state) => [state.source, state.last_success_at]))
  const takenAt = new Map(leases.map(({ name, taken_at }) => [name, taken_at]))
  return sources.map((source) => {
    const last = lastSuccess.get(source.name) ?? null
    const overdueAt = last === null ? null : findOverdueAt(source, new Date(last))
    const stale = source.enabled && (last === null || (overdueAt !== null && overdueAt < now))
    const attempt = takenAt.get(`source:${source.name}`)
    // 0: it was taken before that was noted.
    const last_attempt_at = attempt ? new Date(attempt).toISOString() : null
    return { name: source.name, last_success_at: last, last_attempt_at, stale }
  })
}

/** @returns when the timeout passes of the first run that is due after this; null where none ever is */
export function findOverdueAt({ cron, cron_timezone, timeout }: Source, after: Date): Date | null {
  const due = new Cron(cron, { timezone: cron_timezone }).nextRun(after)
  return due && new Date(due.getTime() + timeout * 1000)
}
