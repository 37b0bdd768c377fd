import type { ChangePage, Position, Storage } from '../kit/contract.ts'
import { changesForgotten } from '../kit/errors.ts'
import { firstOf, lastChangeOf } from './change-numbers.ts'
import { type Database, READ } from './database.ts'
import type { EventDocument } from './documents.ts'
import { NEWEST_RUN } from './history.ts'
import { STATE, type State, toState, toVersion, versionId } from './versions.ts'

/** Of each source's last change that was told of. */
type Numbers = Record<string, number>

/** As a position says: changes that were deleted before `kept` moved there are not missed by who goes on from it. */
interface Place {
  numbers: Numbers
  kept: string
}

/** A change, and of which state of which event it is. */
interface Step {
  id: string
  version: number
  source: string
  change: number
  updated_at: string
}

/** All that is read where most is passed over: of each source there can be as many as are told of in all. */
const STEP = { version: 1, source: 1, change: 1, updated_at: 1 } as const

const ASCENDING = { change: 1 } as const

export function createChanges(database: Database): Pick<Storage, 'changes' | 'lastChange'> {
  const { events, versions, runs, sources, meta, answer } = database

  async function sourceNames(): Promise<string[]> {
    return (await sources.find({}, { ...READ, projection: { _id: 1 } }).toArray()).map(({ _id }) => _id)
  }

  async function eachSource(find: (source: string) => Promise<number>): Promise<Numbers> {
    const names = await sourceNames()
    return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await find(name)] as const)))
  }

  /** The number of the source's last change before the time. */
  async function lastBefore(source: string, since: string): Promise<number> {
    // First: whatever is made later has a greater number.
    const last = await lastChangeOf(database, source)
    const ended = { source, finished_at: { $lt: since } }
    const before = await runs.findOne(ended, { ...READ, sort: NEWEST_RUN, projection: { token: 1 } })
    // Runs come one after the other: those before it have ended, too.
    const from = before === null ? 0 : firstOf(before.token)
    if (last <= from) return last
    const later = { source, change: { $gt: from }, updated_at: { $gte: since } }
    const options = { ...READ, projection: { _id: 0, change: 1 }, sort: ASCENDING } as const
    // In this order: what is replaced in between is found twice, not never.
    const current = await events.findOne(later, options)
    const former = await versions.findOne(later, options)
    const first = Math.min(...[current, former].map((found) => found?.change ?? Number.POSITIVE_INFINITY))
    return Number.isFinite(first) ? first - 1 : last
  }

  /** The source's next changes, in order, one more than the limit where there are more. */
  async function nextOf(source: string, after: number, limit: number): Promise<Step[]> {
    const current = await events
      .find({ source, change: { $gt: after } }, { ...READ, projection: STEP })
      .sort(ASCENDING)
      .limit(limit + 1)
      .toArray()
    const newest = current.at(-1)?.change
    if (newest === undefined) return []
    // Up to the newest that was found, and after it was: a later one may stand behind one that is in neither answer.
    const former = await versions
      .find({ source, change: { $gt: after, $lt: newest } }, { ...READ, projection: { ...STEP, event: 1 } })
      .sort(ASCENDING)
      .limit(limit + 1)
      .toArray()
    const found = [...former.map(({ event, ...step }) => toStep({ ...step, _id: event })), ...current.map(toStep)]
    // A copy of a state that an event still has is that state.
    const steps = new Map(found.map((step) => [step.change, step]))
    return [...steps.values()].sort((a, b) => a.change - b.change).slice(0, limit + 1)
  }

  /** The states that these are of, and those before, by `versionId`; what is not kept is missing. */
  async function statesOf(steps: Step[]): Promise<Map<string, State>> {
    const current = await events
      .find({ _id: { $in: [...new Set(steps.map(({ id }) => id))] } }, { ...READ, projection: STATE })
      .toArray()
    const states = new Map(current.map(toState).map((state) => [versionId(state.id, state.version), state]))
    const wanted = steps.flatMap(({ id, version }) => [versionId(id, version), versionId(id, version - 1)])
    // Afterwards: what has been replaced by then is among these.
    const former = await versions
      .find({ _id: { $in: wanted.filter((id) => !states.has(id)) } }, { ...READ, projection: STATE })
      .toArray()
    for (const document of former) states.set(document._id, toState(document))
    return states
  }

  /** From when on all changes are kept; empty: from the first one on. */
  async function keptSince(): Promise<string> {
    return (await meta.findOne({ _id: 'counters' }, READ))?.history_since ?? ''
  }

  async function refuseForgotten(numbers: Numbers, since: string): Promise<void> {
    const projection = { last_forgotten: 1 } as const
    for (const { _id, last_forgotten = 0 } of await sources.find({}, { ...READ, projection }).toArray()) {
      if ((numbers[_id] ?? 0) < last_forgotten) throw changesForgotten(since)
    }
  }

  /** @param before what was kept when the start was given; left out: what is kept now is all that is asked for */
  async function pageAfter(start: Numbers, limit: number, before?: string): Promise<ChangePage> {
    const names = await sourceNames()
    const queues = await Promise.all(names.map((name) => nextOf(name, start[name] ?? 0, limit)))
    const steps = merge(queues)
    const told = steps.slice(0, limit)
    const states = told.length === 0 ? new Map<string, State>() : await statesOf(told)
    // Afterwards: what is forgotten meanwhile may be lacking.
    const kept = await keptSince()
    if (before !== undefined && before !== kept) await refuseForgotten(start, kept)
    const numbers = { ...start }
    const items = told.flatMap(({ id, version, source, change }) => {
      numbers[source] = change
      const state = states.get(versionId(id, version))
      // Forgotten just now.
      if (state === undefined) return []
      const before = states.get(versionId(id, version - 1))
      return [{ ...toVersion(state, before), position: toPosition({ numbers, kept }) }]
    })
    return { items, next: toPosition({ numbers, kept }), hasMore: steps.length > limit }
  }

  return {
    changes: (request) =>
      answer(async () => {
        if ('since' in request) {
          const { since, limit } = request
          return pageAfter(await eachSource((source) => lastBefore(source, since)), limit)
        }
        if (request.after === undefined) return pageAfter({}, request.limit)
        const { numbers, kept } = fromPosition(request.after)
        return pageAfter(numbers, request.limit, kept)
      }),
    lastChange: () =>
      answer(async () => {
        const kept = await keptSince()
        return toPosition({ numbers: await eachSource((source) => lastChangeOf(database, source)), kept })
      })
  }
}

function toStep({ _id, version, source, change, updated_at }: Pick<EventDocument, '_id' | keyof typeof STEP>): Step {
  // None was found without one.
  return { id: _id, version, source, change: change!, updated_at }
}

/** By time, but never a source's later change before its earlier one. */
function merge(queues: Step[][]): Step[] {
  const merged: Step[] = []
  const ahead = queues.filter((queue) => queue.length > 0).map((queue) => queue[Symbol.iterator]())
  const heads = ahead.map((queue) => ({ queue, step: queue.next().value as Step }))
  while (heads.length > 0) {
    let first = 0
    for (const [i, { step }] of heads.entries()) if (isBefore(step, heads[first]!.step)) first = i
    const { queue, step } = heads[first]!
    merged.push(step)
    const { value, done } = queue.next()
    if (done) heads.splice(first, 1)
    else heads[first]!.step = value
  }
  return merged
}

function isBefore(a: Step, b: Step): boolean {
  return a.updated_at === b.updated_at ? a.source < b.source : a.updated_at < b.updated_at
}

function toPosition({ numbers, kept }: Place): Position {
  return [JSON.stringify(numbers), kept]
}

function fromPosition([text, kept]: Position): Place {
  return { numbers: JSON.parse(text!), kept: kept! }
}
