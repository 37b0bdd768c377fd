import type { TestContext } from 'vitest'

/** A line of the table that closes a run of the tests. */
export interface HazardRow {
  hazard: string
  /** What must happen. */
  expected: string
  /** What was counted or measured. */
  figure: string
}

declare module 'vitest' {
  interface TaskMeta {
    hazards?: HazardRow[]
  }
}

/** Whether the long ones run at full size, or as a seeded sample of it. */
export const isFull = process.env.EVENTS_TEST_HAZARDS === 'full'

/** Adds a line to the table; to be called before the figure is checked, so that a bad one is seen there, too. */
export function recordHazard(task: TestContext['task'], row: HazardRow): void {
  task.meta.hazards = [...(task.meta.hazards ?? []), row]
}
