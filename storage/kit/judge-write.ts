import type { WriteCounts, WriteOptions } from './contract.ts'

/** What a storage has of an event that is to be written. */
export interface Before {
  fingerprint: string
  isListed: boolean
  /** See `WriteOptions.asOf`. */
  asOf: number
}

export interface Judgement {
  /** What is known is from a later document: it stays. */
  isNewer: boolean
  /** Nothing about the event changes. */
  isSame: boolean
  /** What it counts as, unless the run has met it before. */
  countsAs: Exclude<keyof WriteCounts, 'duplicates'>
}

/** @param before undefined for an event that is not known */
export function judgeWrite(
  before: Before | undefined,
  fingerprint: string,
  { listed, asOf }: Required<Pick<WriteOptions, 'listed' | 'asOf'>>
): Judgement {
  if (before === undefined) return { isNewer: false, isSame: false, countsAs: 'created' }
  const isNewer = before.asOf > asOf
  const isSame = isNewer || (before.fingerprint === fingerprint && (before.isListed || !listed))
  return { isNewer, isSame, countsAs: isSame ? 'unchanged' : listed && !before.isListed ? 'restored' : 'updated' }
}
