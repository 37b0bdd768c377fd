import type { RunCounts } from './contract.ts'

export const NO_COUNTS: Readonly<RunCounts> = {
  seen: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  delisted: 0,
  restored: 0,
  rejected: 0,
  bytes: 0,
  duration: 0
}
