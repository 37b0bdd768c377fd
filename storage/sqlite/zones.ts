import type { Event } from '../kit/event.ts'
import type { ZoneFilter } from '../kit/filters.ts'
import { fold } from '../kit/words.ts'

/** What of a zone filter the columns do not say; undefined where they say all: of one price or capacity. */
export function zoneTest(zone: ZoneFilter | undefined): ((json: string) => boolean) | undefined {
  if (zone === undefined) return undefined
  const { minPrice = -Infinity, maxPrice = Infinity, minCapacity = -Infinity, numbered, name } = zone
  const asked = Object.values(zone).filter((value) => value !== undefined).length
  if (asked === 0 || (asked === 1 && numbered === undefined && name === undefined)) return undefined
  return (json) =>
    (JSON.parse(json) as Event).zones.some(
      (each) =>
        each.price >= minPrice &&
        each.price <= maxPrice &&
        each.capacity >= minCapacity &&
        (numbered === undefined || each.numbered === numbered) &&
        (name === undefined || fold(each.name).includes(name))
    )
}
