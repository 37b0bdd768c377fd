import type { Alert, AlertKind } from '../../storage/kit/alert.ts'
import type { SourceState, Storage } from '../../storage/kit/contract.ts'
import type { Reason, Run } from '../../storage/kit/run.ts'
import { HINTS } from '../ingest/reasons.ts'

/** What a receiver gets, as JSON. `docs/alerts.md` describes it. */
export interface Notice {
  /** The same each time that it is sent. */
  id: string
  kind: AlertKind
  status: 'firing' | 'recovered'
  source: string
  /** One sentence for people. */
  text: string
  since: string
  recovered_at: string | null
  /** Of the last fetch. */
  reason: Reason | null
  detail: string | null
  hint: string | null
  /** In a row. */
  failures: number
  last_success_at: string | null
  /** Paths of the API that say more. */
  see: string[]
}

/** As much as somebody who is woken by it needs. */
export async function writeNotice(storage: Storage, alert: Alert): Promise<Notice> {
  const { id, kind, source, since, ended_at } = alert
  const [states, { items }] = await Promise.all([storage.sources(), storage.runs(source, { limit: 20 })])
  const state = states.find((one) => one.source === source)
  const last = items.find((run) => run.kind === 'fetch' && run.outcome !== null)
  const status = ended_at === null ? 'firing' : 'recovered'
  const about = `/v1/api/sources/${source}`
  return {
    id: `${id}/${status}`,
    kind,
    status,
    source,
    text: `${source} ${ended_at === null ? TEXTS[kind](since, state) : isOver(alert, state) ? ENDS[kind] : 'is no longer waited for'}`,
    since,
    recovered_at: ended_at,
    reason: last?.reason ?? null,
    detail: last?.detail ?? null,
    hint: ended_at === null ? findHint(kind, last) : null,
    failures: state?.circuit.failures ?? 0,
    last_success_at: state?.last_success_at ?? null,
    see: [about, `${about}/runs`]
  }
}

const TEXTS: Record<AlertKind, (since: string, state: SourceState | undefined) => string> = {
  failing: (since, state) => `could not be fetched ${state?.circuit.failures ?? 0} times in a row, since ${since}`,
  stale: (since, state) =>
    state?.last_success_at
      ? `is stale since ${since}: the last fetch that succeeded ended at ${state.last_success_at}`
      : `is stale since ${since}: no fetch of it has ever succeeded`,
  suspicious: (since, { suspicion } = {} as SourceState) =>
    suspicion
      ? `lacks ${suspicion.missing} events since ${since}, too many to believe it: nothing is delisted`
      : `lacked too many events to believe it, since ${since}: nothing is delisted`
}

const ENDS: Record<AlertKind, string> = {
  failing: 'is fetched again',
  stale: 'is fresh again',
  suspicious: 'is believed again'
}

/** Otherwise the source was paused, or is no longer enabled. */
function isOver({ kind, since }: Alert, state: SourceState | undefined): boolean {
  if (kind === 'failing') return state?.circuit.failures === 0
  if (kind === 'suspicious') return state?.suspicion === null
  return state?.last_success_at != null && state.last_success_at > since
}

function findHint(kind: AlertKind, last: Run | undefined): string {
  if (kind === 'suspicious') return HINTS.vanished.replace('NAME', last?.source ?? 'NAME')
  if (last?.reason) return HINTS[last.reason].replace('NAME', last.source)
  return 'no fetch has ended as it should have: see what the log says of it, and whether its lease is held, in /metrics'
}
