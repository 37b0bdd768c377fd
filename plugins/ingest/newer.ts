import type { Storage } from '../../storage/kit/contract.ts'

/**
 * Whether the storage has a newer content of an event than one that was seen at `seenAt`. What is written after `startedAt`
 * is none: that is the work of who asks.
 */
export async function hasNewer(storage: Storage, id: string, seenAt: string, startedAt: string): Promise<boolean> {
  const known = await storage.get(id)
  if (known === null) return false
  const { updated_at, delisted_at } = known
  // The last update of a delisted one was that, and says nothing of its content.
  return updated_at !== delisted_at && updated_at > seenAt && updated_at <= startedAt
}
