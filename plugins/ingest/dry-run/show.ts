import type { RejectContent } from '../../../storage/kit/contract.ts'
import { diffContent } from '../../../storage/kit/diff.ts'
import type { EventContent } from '../../../storage/kit/event.ts'
import { type Changed, type Created, MOST_SHOWN, type Rejected, type Summary } from './result.ts'

export const showCreated = (event: EventContent): Created => shorten(event)

export const showGone = (event: EventContent): Summary => {
  const { is_cut: _is_cut, ...summary } = shorten(summarize(event))
  return summary
}

export const showChanged = (before: EventContent, after: EventContent): Changed =>
  shorten({ ...summarize(after), fields: diffContent(before, after) })

export const showRejected = ({ reason, path, raw, event_id }: RejectContent): Rejected =>
  shorten({ reason, path, raw, event_id })

function summarize({ id, base_event_id, event_id, title, start_date }: EventContent): Summary {
  return { id, base_event_id, event_id, title, start_date }
}

/** Cuts long texts and lists in it, wherever they stand. */
function shorten<T extends object>(item: T): T & { is_cut: boolean } {
  let is_cut = false
  const cut = (value: unknown): unknown => {
    if (typeof value === 'string' && value.length > MOST_SHOWN.characters) {
      is_cut = true
      // Not half a character.
      return `${value.slice(0, MOST_SHOWN.characters).replace(/[\uD800-\uDBFF]$/, '')}…`
    }
    if (Array.isArray(value)) {
      if (value.length > MOST_SHOWN.zones) is_cut = true
      return value.slice(0, MOST_SHOWN.zones).map(cut)
    }
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, cut(one)]))
  }
  return { ...(cut(item) as T), is_cut }
}
