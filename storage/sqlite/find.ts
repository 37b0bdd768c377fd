import type { EventPage, PageRequest } from '../kit/contract.ts'
import { Forgotten } from '../kit/errors.ts'
import type { EventFilters, EventQuery } from '../kit/filters.ts'
import { findCandidates } from './candidates.ts'
import type { Database } from './database.ts'
import { toUuid } from './ids.ts'
import { isIndexed } from './indexes.ts'
import { type Circumstances, planEvents, planVersions } from './plan.ts'
import { FURTHEST, type Key, SORTS, toKey, toPosition } from './query.ts'
import { collect, count, type Found, newDeadline, sortFound, type Walk } from './walk.ts'
import { zoneTest } from './zones.ts'

export interface Finder {
  find(query: EventQuery, page: PageRequest): Promise<EventPage>
  count(query: EventQuery, most: number): Promise<number>
}

/** Answers any query, in steps. */
export function createFinder(database: Database): Finder {
  const { get } = database
  let hasIndexes = false

  function begin(query: EventQuery, after: Key | undefined): { walk: Walk; circumstances: Circumstances } {
    refuseForgotten(database, query.asOf)
    hasIndexes ||= isIndexed(database)
    const { filters, sort } = query
    return {
      walk: {
        database,
        column: SORTS[sort.by].column,
        descending: sort.descending,
        test: zoneTest(filters.zone),
        deadline: newDeadline()
      },
      circumstances: {
        isIndexed: hasIndexes,
        ahead: hasLocalBound(filters) ? (get(AHEAD) as never) : FURTHEST,
        candidates: hasIndexes ? findCandidates(database, filters) : null,
        after
      }
    }
  }

  return {
    async find(query, { limit, after: position }) {
      const { by } = query.sort
      const after = position && toKey(by, position)
      const { walk, circumstances } = begin(query, after)
      let found = await collect(walk, planEvents(query, circumstances), after, limit + 1)
      if (query.asOf !== undefined) {
        // Afterwards: what is replaced meanwhile is then met twice, but never missed.
        const plan = planVersions(query, Date.parse(query.asOf), circumstances)
        const former = await collect(walk, plan, after, limit + 1)
        found = sortFound(withoutRepeats([...found, ...former]), walk)
      }
      const items = found.slice(0, limit)
      const last = items.at(-1)
      return {
        json: items.map(({ json }) => json).join(','),
        next: found.length > limit && last !== undefined ? toPosition(last.sort_key, toUuid(last.id)) : null
      }
    },

    async count(query, most) {
      // In the order of which index is of no matter.
      const unsorted: EventQuery = { ...query, sort: { by: 'start', descending: false } }
      const { walk, circumstances } = begin(unsorted, undefined)
      const n = await count(walk, planEvents(unsorted, circumstances), most + 1)
      if (query.asOf === undefined) return n
      const plan = planVersions(unsorted, Date.parse(query.asOf), circumstances)
      return Math.min(most + 1, n + (await count(walk, plan, most + 1)))
    }
  }
}

/** Nothing is known of how events were before this time. */
export function refuseForgotten({ get }: Database, asOf: string | undefined): void {
  if (asOf === undefined) return
  const since = get("select value from meta where key = 'history_since'")!.value as number
  if (Date.parse(asOf) < since) {
    throw new Forgotten(`how events were is known from ${new Date(since).toISOString()} on, not at ${asOf}`)
  }
}

const AHEAD = `select (select value from meta where key = 'most_ahead') as most,
  (select value from meta where key = 'least_ahead') as least`

function hasLocalBound({ from, to }: EventFilters): boolean {
  return from?.clock === 'local' || to?.clock === 'local'
}

function withoutRepeats(found: Found[]): Found[] {
  return [...new Map(found.map((row) => [toUuid(row.id), row])).values()]
}
