import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from '../../bench/kit/processes.ts'
import type { Run } from '../../storage/kit/run.ts'
import type { Answer } from '../provider/answer.ts'
import { writeFeed } from '../provider/feeds.ts'
import { inTurn } from '../provider/scripts.ts'
import { startProvider } from '../provider.ts'

export interface Attacked {
  run: Run
  milliseconds: number
  /** MB that the memory (RSS) grew by, at its peak. */
  growth: number
}

/** MB of memory that an attack may cost. */
export const MOST_GROWTH = 32
/** A run under attack is over in this, or it is at its deadline, which is just this. */
export const DEADLINE_SECONDS = 2
/** What ending at the deadline may take, on a busy machine. */
export const MOST_MILLISECONDS = DEADLINE_SECONDS * 1000 + 1000
/** A process that has only just started grows with whatever it does first. */
export const GOOD_RUNS = 4
/** Peaks can only be measured where the kernel can be told to forget them. */
export const canMeasure = existsSync('/proc/self/clear_refs')

/**
 * What a process of its own makes of an answer, after good runs of the same source. What is made anew for each attempt
 * is attacked with again where memory grew too much, three times at most, and the least growth counts: when V8 collects
 * what sockets leave behind is a matter of luck, and what is really kept shows every time.
 * @param keys of the source; by default it may have 200 MB
 */
export async function attack(makeAnswer: () => Answer, keys: { max_mb?: number } = {}): Promise<Attacked> {
  let best = await attackOnce(makeAnswer(), keys)
  for (let again = 0; again < 2 && best.growth > MOST_GROWTH; again++) {
    const next = await attackOnce(makeAnswer(), keys)
    best = next.growth < best.growth ? next : best
  }
  return best
}

async function attackOnce(answer: Answer, keys: { max_mb?: number }): Promise<Attacked> {
  const folder = await mkdtemp(join(tmpdir(), 'event-service-'))
  const provider = await startProvider()
  provider.play(inTurn({ times: GOOD_RUNS, script: { body: writeFeed(5000) } }, { script: answer }))
  const source = { adapter: 'provider-xml', url: provider.url, allow_private: true, timeout: DEADLINE_SECONDS }
  const written = Object.entries({ ...source, max_mb: 200, ...keys }).map(([key, value]) => `${key} = ${value}\n`)
  const config = join(folder, 'config.ini')
  await writeFile(config, `[sqlite]\npath = events.db\n[source.demo]\n${written.join('')}`)
  try {
    const attacked = await runProgram<Attacked>('test/hazards/attack-program.ts', { env: { EVENTS_CONFIG: config } })
    return { ...attacked, growth: attacked.growth / 2 ** 20 }
  } finally {
    await provider.close()
    await rm(folder, { recursive: true })
  }
}
