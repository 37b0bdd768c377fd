import { toInstant } from '../../adapters/kit/dates.ts'
import type { EventContent } from './event.ts'
import { titleKey, toWords } from './words.ts'

/** What filters and sorts look at that an event does not show as it is. */
export interface Derived {
  title_key: string
  words: string[]
  /** The greatest of its zones; null without zones. */
  max_capacity: number | null
  /** `YYYY-MM-DDTHH:MM:SSZ`; null: no such bound. */
  sale_from: string | null
  sale_to: string | null
}

/** Of the title that was last asked for: events of one base event have the same, and come one after the other. */
let known: { title: string; title_key: string; words: string[] } | undefined

export function derive({ title, zones, sell_from, sell_to, timezone }: EventContent): Derived {
  let max_capacity: number | null = null
  for (const { capacity } of zones) if (max_capacity === null || capacity > max_capacity) max_capacity = capacity
  if (known?.title !== title) known = { title, title_key: titleKey(title), words: toWords(title) }
  return {
    title_key: known.title_key,
    words: known.words,
    max_capacity,
    // Where it lies outside of all years there is no bound to hold to.
    sale_from: sell_from === null ? null : toInstant(sell_from, timezone),
    sale_to: sell_to === null ? null : toInstant(sell_to, timezone)
  }
}
