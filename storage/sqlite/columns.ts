import { derive } from '../kit/derive.ts'
import type { EventLife } from '../kit/encode.ts'
import type { EventContent } from '../kit/event.ts'
import type { SqlValue } from './database.ts'
import { toSeconds } from './time.ts'

/**
 * What a state of an event is filtered and sorted by, in `events` and in `versions` alike. Times are seconds since 1970,
 * but `updated`, in milliseconds.
 */
export const STATE_COLUMNS = [
  'ever_online',
  'online',
  'listed',
  'starts',
  'ends',
  'local_start',
  'local_end',
  'sold_out',
  'max_capacity',
  'sale_from',
  'sale_to',
  'min_price',
  'max_price',
  'updated',
  'organizer',
  'words',
  'base_event',
  'title_key'
] as const

/**
 * Those of a row in the order of `STATE_COLUMNS`. An event that has no end ends when it starts; one that has no price is
 * dearer than all others, and its greatest price is none.
 */
export function stateColumns(content: EventContent, life: EventLife): SqlValue[] {
  const { title_key, words, max_capacity, sale_from, sale_to } = derive(content)
  const starts = toSeconds(content.starts_at)
  const localStart = toSeconds(content.start_date)
  return [
    life.ever_online ? 1 : 0,
    content.sell_mode === 'online' ? 1 : 0,
    life.status === 'listed' ? 1 : 0,
    starts,
    content.ends_at === null ? starts : toSeconds(content.ends_at),
    localStart,
    content.end_date === null ? localStart : toSeconds(content.end_date),
    content.sold_out ? 1 : 0,
    max_capacity,
    sale_from && toSeconds(sale_from),
    sale_to && toSeconds(sale_to),
    content.min_price ?? Number.POSITIVE_INFINITY,
    content.max_price,
    Date.parse(life.updated_at),
    content.organizer_company_id,
    // A blank on either side, so that a word is found as a whole.
    ` ${words.join(' ')} `,
    content.base_event_id,
    title_key
  ]
}
