import { aggregate } from './aggregate.ts'
import type { Family } from './family.ts'

/** What one thread or process has counted since it started. */
export interface Snapshot {
  /** Of this life of it: another one begins at 0. */
  instance: string
  families: Family[]
}

/** Remembers what others have counted, so that no counter falls when one of them ends, or does not answer for once. */
export interface Ledger {
  learn(snapshot: Snapshot): void
  /** It will say nothing any more. */
  end(instance: string): Promise<void>
  /**
   * What all have counted; of those that answered now, also how they are.
   * @param answered instances
   */
  all(answered: string[]): Family[][]
}

export function createLedger(): Ledger {
  const known = new Map<string, Family[]>()
  const gone = new Set<string>()
  let ended: Family[] = []
  return {
    learn({ instance, families }) {
      // An answer that comes after the end is counted already, but for its last moment.
      if (!gone.has(instance)) known.set(instance, families)
    },
    async end(instance) {
      gone.add(instance)
      const last = known.get(instance)
      if (last === undefined) return
      known.delete(instance)
      // Whoever asks meanwhile, or ends, must find this one in it.
      const families = [...ended, ...last.filter(isCounted)]
      ended = families
      const sum = await aggregate([families])
      if (ended === families) ended = (await sum.getMetricsAsJSON()) as unknown as Family[]
    },
    all: (answered) => [
      ...[...known].map(([instance, families]) =>
        answered.includes(instance) ? families : families.filter(isCounted)
      ),
      ended
    ]
  }
}

function isCounted({ type }: Family): boolean {
  return type !== 'gauge'
}
