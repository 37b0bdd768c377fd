import { type Derived, derive } from '../kit/derive.ts'
import type { Event, EventContent } from '../kit/event.ts'
import { fold } from '../kit/words.ts'

/** What filters and sorts look at. */
export interface Searched extends Derived {
  /** The first or the last of all times where there is no bound: an index does not tell null from nothing. */
  sale_from: string
  sale_to: string
  /** When it ends, or starts where there is no end; instant and wall-clock time. */
  end: string
  local_end: string
  /** `min_price`, or more than any where there is none: what is sorted by. */
  price: number
  /** Of its zones; null without zones. */
  lowest_price: number | null
  highest_price: number | null
}

/** With its folded name, so that a filter can ask for that and the price of one and the same zone. */
export type ZoneDocument = Event['zones'][number] & { folded: string }

const FIRST_TIME = '0001-01-01T00:00:00Z'
const LAST_TIME = '9999-12-31T23:59:59Z'

/** @returns also the zones as they are kept */
export function toSearched(content: EventContent): Searched & { zones: ZoneDocument[] } {
  let lowest: number | null = null
  let highest: number | null = null
  for (const { price } of content.zones) {
    if (lowest === null || price < lowest) lowest = price
    if (highest === null || price > highest) highest = price
  }
  const derived = derive(content)
  return {
    ...derived,
    sale_from: derived.sale_from ?? FIRST_TIME,
    sale_to: derived.sale_to ?? LAST_TIME,
    end: content.ends_at ?? content.starts_at,
    local_end: content.end_date ?? content.start_date,
    price: content.min_price ?? Number.MAX_VALUE,
    lowest_price: lowest,
    highest_price: highest,
    zones: content.zones.map((zone) => ({ ...zone, folded: foldName(zone.name) }))
  }
}

/** Folded names of zones: there are few, and each comes again and again. */
const names = new Map<string, string>()
const MOST_NAMES = 1000
const LONGEST_NAME = 100

function foldName(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  const folded = fold(name)
  if (name.length <= LONGEST_NAME) {
    if (names.size >= MOST_NAMES) names.clear()
    // Copies: a text of a feed keeps the whole chunk in memory that it was cut from.
    names.set(copy(name), copy(folded))
  }
  return folded
}

function copy(text: string): string {
  return Buffer.from(text).toString()
}
