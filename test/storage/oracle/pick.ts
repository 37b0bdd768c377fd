import type { Random } from '../../../bench/kit/random.ts'

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random(values.length)]!
}

/** Each of them once at most, and at least one. */
export function pickSome<T>(random: Random, values: readonly T[], most: number): T[] {
  return [...new Set(Array.from({ length: 1 + random(most) }, () => pick(random, values)))]
}

/** Whether something happens that does so this often in a hundred. */
export function happens(random: Random, percent: number): boolean {
  return random(100) < percent
}
