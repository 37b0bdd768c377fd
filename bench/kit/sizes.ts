/** How much is measured, and for how long. */
export interface Sizes {
  /** In the feed and in the storage. */
  events: number
  ingestRounds: number
  /** With and without fences; on MongoDB with fewer events. */
  fencing: { rounds: number; mongodbEvents: number }
  /** Of each server: `seconds` of load in each of `turns` turns of each of `rounds` rounds. */
  load: { warmupSeconds: number; rounds: number; turns: number; seconds: number }
  /** On MongoDB: of which lists are asked for. */
  mongodbEvents: number
  /** In the feed that is loaded into MongoDB. */
  mongodbLoad: number
  /** With many zones. */
  zonesEvents: number
  /** Of two stores whose lists are compared. */
  manyEvents: { small: number; large: number; pages: number }
  latency: { rounds: number; seconds: number }
  walks: { count: number; pages: number }
  /** Of the feeds whose ingestion is compared for its memory. */
  memoryMegabytes: { small: number; large: number }
  coldStarts: number
}

export const FULL: Sizes = {
  events: 100_000,
  ingestRounds: 3,
  fencing: { rounds: 5, mongodbEvents: 5000 },
  load: { warmupSeconds: 4, rounds: 5, turns: 3, seconds: 2 },
  mongodbEvents: 1000,
  mongodbLoad: 5000,
  zonesEvents: 2000,
  manyEvents: { small: 10_000, large: 1_000_000, pages: 1001 },
  latency: { rounds: 3, seconds: 10 },
  walks: { count: 31, pages: 1000 },
  memoryMegabytes: { small: 10, large: 200 },
  coldStarts: 5
}

export const QUICK: Sizes = {
  events: 10_000,
  ingestRounds: 2,
  fencing: { rounds: 2, mongodbEvents: 1000 },
  load: { warmupSeconds: 1, rounds: 2, turns: 1, seconds: 1 },
  mongodbEvents: 1000,
  mongodbLoad: 1000,
  zonesEvents: 500,
  manyEvents: { small: 1000, large: 10_000, pages: 51 },
  latency: { rounds: 1, seconds: 1 },
  walks: { count: 7, pages: 100 },
  memoryMegabytes: { small: 5, large: 20 },
  coldStarts: 3
}
