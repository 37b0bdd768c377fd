import { isDeepStrictEqual } from 'node:util'
import type { Run, RunCounts } from '../../storage/kit/run.ts'
import type { GeneratedFeed } from '../generate-feed.ts'
import { runProgram } from './processes.ts'

type Timing = { seconds: number }

/**
 * One run of the source `bench`, in a process of its own.
 * @param expected what it must have counted, or it was no measurement
 * @returns MB/s, not counting the start of the process
 */
export async function ingest(
  config: string,
  feed: GeneratedFeed,
  expected: Partial<RunCounts>,
  more = {}
): Promise<number> {
  const env = { EVENTS_CONFIG: config, ...more }
  const { seconds, run } = await runProgram<Timing & { run: Run }>('bench/programs/ingest.ts', { env })
  refuseOther(run, expected)
  return feed.bytes / 1e6 / seconds
}

/** The same of sax alone. */
export async function parseBare({ file, bytes }: GeneratedFeed): Promise<number> {
  const { seconds } = await runProgram<Timing>('bench/programs/bare-sax.ts', { args: [file] })
  return bytes / 1e6 / seconds
}

/** @throws when the run did something else than what is to be measured */
export function refuseOther(run: Run, expected: Partial<RunCounts>): void {
  const counts = { ...run.counts, ...expected }
  if (run.outcome === 'complete' && isDeepStrictEqual(run.counts, counts)) return
  throw new Error(`expected a complete run with ${JSON.stringify(expected)}, got ${JSON.stringify(run)}`)
}
