import { aggregate } from './aggregate.ts'
import type { Family } from './family.ts'

/** What one thread or process has counted since it started. */
export interface Snapshot {
  /** Of this life of it: another one begins at 0. */
  instance: string
  families: Family[]
}

/**
 * Remembers what others have counted, so that no counter falls when one of them ends, or does not answer for once.
 */
export interface Ledger {
  /** @param answers of those that answered now */
  note(answers: Snapshot[]): void
  /** An instance that will never answer again. */
  end(instance: string): Promise<void>
  /** What those that answered last said, and what all others have counted. */
  all(): Family[][]
}

export function createLedger(): Ledger {
  const known = new Map<string, Family[]>()
  let answered = new Set<string>()
  let ended: Family[] = []
  return {
    note(answers) {
      for (const { instance, families } of answers) known.set(instance, families)
      answered = new Set(answers.map(({ instance }) => instance))
    },
    async end(instance) {
      const last = known.get(instance)
      if (last === undefined) return
      known.delete(instance)
      // One that ends meanwhile must find this one in it.
      const families = [...ended, ...last.filter(isCounted)]
      ended = families
      const sum = await aggregate([families])
      if (ended === families) ended = (await sum.getMetricsAsJSON()) as unknown as Family[]
    },
    all: () => [
      ...[...known].map(([instance, families]) => (answered.has(instance) ? families : families.filter(isCounted))),
      ended
    ]
  }
}

function isCounted({ type }: Family): boolean {
  return type !== 'gauge'
}
