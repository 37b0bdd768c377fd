import { randomUUIDv7 } from 'node:crypto'
import { Bitmap } from './bitmap.ts'
import type { Lease, OpenRun } from './contract.ts'
import type { RunKind } from './run.ts'

export function newRun(source: string, lease: Lease, kind: RunKind, id: string = randomUUIDv7()): OpenRun {
  return {
    id,
    source,
    kind,
    lease,
    started_at: lease.now().toISOString(),
    met: new Bitmap(),
    repeated: new Set(),
    changes: 0
  }
}

const MOST_REPEATED = 10_000

export function noteRepeated({ repeated }: OpenRun, id: string): void {
  if (repeated.size < MOST_REPEATED) repeated.add(id)
}
