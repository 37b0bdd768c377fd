import type { Page, Position } from './contract.ts'

/** @param rows read with one more than `limit`, to see whether another page follows */
export function toPage<T>(rows: T[], limit: number, position: (last: T) => Position): Page<T> {
  const items = rows.slice(0, limit)
  return { items, next: rows.length > limit ? position(items.at(-1)!) : null }
}
