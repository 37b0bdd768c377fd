import { hash } from 'node:crypto'
import type { RejectContent } from './contract.ts'

/** A reject's id: the same record rejected for the same reason has the same one in every run. */
export function rejectId(source: string, reject: RejectContent): string {
  return hash('sha256', JSON.stringify([source, reject.reason, reject.raw]), 'hex').slice(0, 32)
}
