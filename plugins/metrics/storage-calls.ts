import type { StorageHealth } from '../storage.ts'
import { createDurations, type Durations, histogram, record } from './durations.ts'
import { type Family, gauge, type Sample } from './family.ts'

/** Measures every call to the storage. */
export function measureStorage(health: StorageHealth): () => Family[] {
  const calls = { ok: new Map<string, Durations>(), error: new Map<string, Durations>() }
  health.onCall(({ operation, seconds, failure }) => {
    const byOperation = failure === undefined ? calls.ok : calls.error
    let durations = byOperation.get(operation)
    if (durations === undefined) {
      durations = createDurations()
      byOperation.set(operation, durations)
    }
    record(durations, seconds)
  })
  return () => [
    histogram(
      'event_service_storage_duration_seconds',
      'How long calls to the storage took, by whether it did what it was asked',
      Object.entries(calls).flatMap(([outcome, byOperation]) =>
        [...byOperation].map(([operation, durations]) => ({
          labels: { operation, outcome } satisfies Sample['labels'],
          durations
        }))
      )
    ),
    gauge(
      'event_service_storage_up',
      '0 while the storage cannot be read, or cannot be written',
      [{ labels: {}, value: health.isOut('reading') || health.isOut('writing') ? 0 : 1 }],
      'min'
    )
  ]
}
