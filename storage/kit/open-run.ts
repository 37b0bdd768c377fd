import { randomUUIDv7 } from 'node:crypto'
import { Bitmap } from './bitmap.ts'
import type { Lease, OpenRun } from './contract.ts'

export function newRun(source: string, lease: Lease): OpenRun {
  return { id: randomUUIDv7(), source, lease, started_at: new Date().toISOString(), met: new Bitmap() }
}
