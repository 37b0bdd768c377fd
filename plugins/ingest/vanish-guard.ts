import { Bitmap } from '../../storage/kit/bitmap.ts'
import type { Lease, Missing, Suspicion } from '../../storage/kit/contract.ts'
import type { Source } from '../sources.ts'

type Thresholds = Pick<Source, 'vanish_guard' | 'vanish_percent' | 'vanish_count'>

/**
 * Whether a complete snapshot lacks so many of the events that are still to come that it is not to be believed: half a
 * feed can be well-formed. What the snapshot before lacked as well counts as gone: two of them agree.
 * @returns null when what is missing may be delisted
 */
export function suspect(
  runId: string,
  { all, future, listedFuture }: Missing,
  before: Suspicion | null,
  { vanish_guard, vanish_percent, vanish_count }: Thresholds
): Suspicion | null {
  const agreed = before === null ? new Bitmap() : Bitmap.decode(before.numbers)
  const news = future.filter((number) => !agreed.has(number)).length
  if (!vanish_guard || news <= vanish_count || news * 100 <= listedFuture * vanish_percent) return null
  const missing = new Bitmap()
  for (const number of all) missing.add(number)
  return {
    run_id: runId,
    missing: all.length,
    future_missing: future.length,
    future_listed: listedFuture,
    numbers: missing.encode()
  }
}

/** How a run ends that is not believed. */
export function describeSuspicion({ future_missing, future_listed }: Suspicion) {
  const detail = `the snapshot lacks ${future_missing} of ${future_listed} events to come; nothing was delisted`
  return { outcome: 'suspicious', reason: 'vanished', detail } as const
}

/** What is left of a suspicion after a run that met some of the missing ones; null where it met all of them. */
export function stillMissing(suspicion: Suspicion, met: Bitmap): Suspicion | null {
  const left = new Bitmap()
  for (const number of Bitmap.decode(suspicion.numbers)) if (!met.has(number)) left.add(number)
  if (left.size === suspicion.missing) return suspicion
  if (left.size === 0) return null
  const future_missing = Math.min(suspicion.future_missing, left.size)
  return { ...suspicion, missing: left.size, future_missing, numbers: left.encode() }
}

/** As `Storage.missing` takes it. */
export function timeNow(lease: Lease): string {
  return `${lease.now().toISOString().slice(0, 19)}Z`
}
