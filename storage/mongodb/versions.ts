import type { Filter } from 'mongodb'
import type { EventVersion, OpenRun, Storage } from '../kit/contract.ts'
import type { Event } from '../kit/event.ts'
import { toPage } from '../kit/page.ts'
import { type Database, READ } from './database.ts'
import { type EventDocument, fromDocument, INTERNAL, type VersionDocument } from './documents.ts'
import type { Fence } from './fence.ts'

// Before a document is overwritten its copy is put among the versions. Whoever dies in between leaves a copy of the state
// that the event still has: readers pass over what is not older than the event's own, and the next write overwrites it.

/** In order: of an event's versions the older ones come first. */
export function versionId(event: string, version: number): string {
  return `${event}/${String(version).padStart(10, '0')}`
}

/** All of an event, or those before one of them. */
export function versionsOf(event: string, before?: number): Filter<VersionDocument> {
  // "0" comes after "/".
  return { _id: { $gt: `${event}/`, $lt: before === undefined ? `${event}0` : versionId(event, before) } }
}

const { version: _version, run_id: _run_id, change: _change, ...HIDDEN } = INTERNAL
/** What is read of a state. */
export const STATE = HIDDEN

/** A state, current or former, that was read with `STATE`. */
export interface State {
  id: string
  version: number
  /** 0: from before changes were numbered. */
  change: number
  run_id: string | null
  event: Event
}

export function toState(document: EventDocument | VersionDocument): State {
  const { _id, version, change = 0, run_id = null, event: id = _id, ...shown } = document as VersionDocument
  return { id, version, change, run_id, event: fromDocument({ _id: id, ...shown }) }
}

export function toVersion({ event, run_id }: State, before: State | undefined): EventVersion {
  return { at: event.updated_at, run_id, event, before: before?.event ?? null }
}

/** Keeps the states that these documents have, each until the time when it is replaced. */
export async function archive(
  { versions, writeFenced }: Database,
  run: OpenRun,
  former: { document: EventDocument; replaced_at: string }[],
  fence: Fence
): Promise<void> {
  const { token } = run.lease
  const writes = former.map(({ document, replaced_at }) => {
    const { _id: event, version } = document
    return { replace: { ...document, _id: versionId(event, version), event, replaced_at, token } }
  })
  await writeFenced(run, versions, writes, fence)
}

export function createVersions({ events, versions, answer }: Database): Pick<Storage, 'versions'> {
  return {
    versions: (id, { limit, after }) =>
      answer(async () => {
        const read = { ...READ, projection: STATE }
        // First: what is replaced after this is among the versions by then.
        const current = after ? null : await events.findOne({ _id: id }, read)
        if (!after && current === null) return { items: [], next: null }
        const former = await versions
          .find(versionsOf(id, after ? Number(after[0]) : current!.version), read)
          .sort({ _id: -1 })
          .limit(limit + 1)
          .toArray()
        const states = [...(current ? [current] : []), ...former].map(toState)
        const { items, next } = toPage(states, limit, (last) => [String(last.version)])
        return { items: items.map((state, i) => toVersion(state, states[i + 1])), next }
      })
  }
}

const FORGET_BATCH = 1000

export async function forget({ versions, sources, meta }: Database, since: string): Promise<void> {
  const last = versions.aggregate<{ _id: string; change: number | null }>([
    { $match: { replaced_at: { $lte: since } } },
    { $group: { _id: '$source', change: { $max: '$change' } } }
  ])
  for await (const { _id, change } of last) await sources.updateOne({ _id }, { $max: { last_forgotten: change ?? 0 } })
  // First: whoever does not find what is deleted then sees why; and who sees this sees the numbers, too.
  // What is answered from memory of the past must not be answered any more, so the revision grows, too.
  await meta.updateOne({ _id: 'counters' }, { $max: { history_since: since }, $inc: { revision: 1 } })
  const replaced = versions.find({ replaced_at: { $lte: since } }, { ...READ, projection: { _id: 1 } })
  for (;;) {
    const ids = (await replaced.clone().limit(FORGET_BATCH).toArray()).map(({ _id }) => _id)
    if (ids.length === 0) return
    await versions.deleteMany({ _id: { $in: ids } })
  }
}
