import { hash } from 'node:crypto'
import type { Event, EventContent } from './event.ts'

/** What a storage compares to find out whether an event changed: equal content, equal fingerprint. */
export interface EncodedContent {
  content: EventContent
  /** The content as JSON. */
  json: string
  fingerprint: string
}

export function encodeContent(content: EventContent): EncodedContent {
  const json = JSON.stringify(content)
  return { content, json, fingerprint: hash('sha256', json, 'base64url') }
}

export type EventLife = Pick<Event, 'status' | 'first_seen_at' | 'updated_at' | 'delisted_at' | 'ever_online'>

/** The life of an event that was written just now; `listed` as in `Storage.write`. */
export function nextLife(
  content: EventContent,
  before: Pick<Event, 'status' | 'first_seen_at' | 'delisted_at' | 'ever_online'> | undefined,
  { now, listed }: { now: string; listed: boolean }
): EventLife {
  return {
    status: listed ? 'listed' : (before?.status ?? 'delisted'),
    first_seen_at: before?.first_seen_at ?? now,
    updated_at: now,
    delisted_at: listed ? null : before === undefined ? now : before.delisted_at,
    ever_online: before?.ever_online === true || content.sell_mode === 'online'
  }
}

/** Of events with the same id only the last, in the order in which the ids first came. */
export function keepLast(events: EventContent[]): EventContent[] {
  return [...new Map(events.map((event) => [event.id, event])).values()]
}
