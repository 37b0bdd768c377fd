import { writeEvent, writeFeed } from './provider/feeds.ts'

// Short words for what tests say again and again.

export const event = (id: number | string, changes: Record<string, string> = {}) => writeEvent(id, changes)
/** A feed, to its last character needed. */
export const list = (...events: string[]) => writeFeed(events).trimEnd()
export const three = list(event(1), event(2), event(3))
