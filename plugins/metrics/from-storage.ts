import { COMMAND_KINDS, isSwitch } from '../../storage/kit/command.ts'
import type { Agenda, SourceState, Storage } from '../../storage/kit/contract.ts'
import type { Freshness, Sources } from '../sources.ts'
import { countEvents } from './count-events.ts'
import { counter, type Family, gauge, type Sample } from './family.ts'

/** What the storage knows: the same whichever process is asked, and it goes on where it was after a restart. */
export function readFromStorage(storage: Storage, sources: Sources): () => Promise<Family[]> {
  const count = countEvents(storage)
  return async () => {
    const [totals, events, states, agenda, freshness] = await Promise.all([
      readTotals(storage),
      count(),
      storage.sources(),
      storage.agenda(),
      sources.freshness()
    ])
    return [...totals, ...events, ...ofSources(freshness, states, agenda), ...ofLeases(agenda), ...ofCommands(agenda)]
  }
}

async function readTotals(storage: Storage): Promise<Family[]> {
  const [runs, changes] = await Promise.all([storage.runTotals(), storage.changeTotals()])
  const CHANGES = ['created', 'updated', 'delisted', 'restored'] as const
  return [
    counter(
      'event_service_runs_total',
      'Runs that ended, by their source, kind and outcome, and by the reason of those that did not succeed',
      runs.map(({ runs, reason, ...labels }) => ({ labels: { ...labels, reason: reason ?? '' }, value: runs }))
    ),
    counter(
      'event_service_event_changes_total',
      'Events that runs created, updated, delisted and restored',
      changes.flatMap((one) =>
        CHANGES.map((change) => ({ labels: { source: one.source, change }, value: one[change] }))
      )
    ),
    counter(
      'event_service_rejected_records_total',
      'Records that could not become events, each time that they were read',
      changes.map(({ source, rejected }) => ({ labels: { source }, value: rejected }))
    )
  ]
}

function ofSources(freshness: Freshness[], states: SourceState[], { now, paused }: Agenda): Family[] {
  /** @param read undefined where there is no value */
  function each(
    name: string,
    help: string,
    read: (source: Freshness, state: SourceState | undefined) => number | boolean | undefined
  ): Family {
    const values = freshness.flatMap((source): Sample[] => {
      const state = states.find((one) => one.source === source.name)
      const value = read(source, state)
      return value === undefined ? [] : [{ labels: { source: source.name }, value: Number(value) }]
    })
    return gauge(`event_service_source_${name}`, help, values)
  }
  const succeeded = (state: SourceState | undefined) =>
    state?.last_success_at ? Date.parse(state.last_success_at) / 1000 : undefined
  return [
    each(
      'last_success_timestamp_seconds',
      'When the last complete or unchanged fetch of a source ended',
      (_source, state) => succeeded(state)
    ),
    each('freshness_seconds', 'How long ago that was', (_source, state) => {
      const at = succeeded(state)
      return at === undefined ? undefined : Math.max(0, now / 1000 - at)
    }),
    each('stale', '1 while a run was due, and its timeout has passed, without a success', ({ stale }) => stale),
    each('paused', '1 while somebody has paused it', ({ name }) => paused.includes(name)),
    each(
      'failures',
      'Failed fetches of a source in a row, up to now',
      (_source, state) => state?.circuit.failures ?? 0
    ),
    each(
      'suspicious',
      '1 while nothing is delisted because too many events are missing at once',
      (_source, state) => state?.suspicion != null
    )
  ]
}

function ofLeases({ now, leases }: Agenda): Family[] {
  const held = leases.filter(({ holder, expires }) => holder !== null && expires > now)
  return [
    gauge(
      'event_service_lease_held',
      '1 for each lease that somebody holds',
      held.map(({ name, holder }) => ({ labels: { name, holder: holder! }, value: 1 }))
    ),
    gauge(
      'event_service_lease_age_seconds',
      'How long ago a lease was taken that somebody holds',
      held.map(({ name, taken_at }) => ({ labels: { name }, value: (now - taken_at) / 1000 }))
    )
  ]
}

function ofCommands({ now, commands }: Agenda): Family[] {
  const kinds = COMMAND_KINDS.filter((kind) => !isSwitch(kind))
  const oldest = commands[0] && now - Date.parse(commands[0].asked_at)
  return [
    gauge(
      'event_service_commands_pending',
      'Commands that wait or are being done',
      kinds.map((kind) => ({
        labels: { kind },
        value: commands.filter((command) => command.kind === kind).length
      }))
    ),
    gauge('event_service_oldest_command_age_seconds', 'How long ago the oldest of them was asked for', [
      { labels: {}, value: Math.max(0, oldest ?? 0) / 1000 }
    ])
  ]
}
