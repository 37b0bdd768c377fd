import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import type { Bench } from './bench.ts'
import { type Comparison, compare } from './compare.ts'
import { runProgram, startServer } from './processes.ts'
import { LIMIT } from './queries.ts'

export const CONNECTIONS = 30

export interface LoadOptions {
  origin: string
  seconds: number
  /** One path, or a different one each time. */
  ask: { path: string } | { seed: number }
}

/**
 * Requests a second of the real list route, over the loaded database, and of a bare one that sends a prebuilt body.
 * @param samples paths whose answer of median length is that body
 */
export async function compareLoad(
  bench: Bench,
  samples: string[],
  ask: (round: number) => LoadOptions['ask']
): Promise<Comparison> {
  const { warmupSeconds, rounds, seconds } = bench.sizes.load
  const env = { EVENTS_CONFIG: await bench.loaded(), EVENTS_SERVER_ROLES: 'api' }
  await using ours = await startServer('server.ts', { env, core: 'server' })
  const body = join(bench.folder, 'body.json')
  await writeFile(body, await readTypicalBody(ours.origin, samples))
  await using bare = await startServer('bench/programs/bare-route.ts', { args: [body], core: 'server' })

  for (const { origin } of [ours, bare]) await load({ origin, seconds: warmupSeconds, ask: ask(0) })
  return await compare(rounds, (round) => ({
    ours: () => load({ origin: ours.origin, seconds, ask: ask(round) }),
    bare: () => load({ origin: bare.origin, seconds, ask: ask(round) })
  }))
}

/** @returns requests a second */
export function load(options: LoadOptions): Promise<number> {
  return runProgram('bench/programs/load.ts', { args: [JSON.stringify(options)], core: 'load' })
}

async function readTypicalBody(origin: string, paths: string[]): Promise<string> {
  const bodies: string[] = []
  for (const path of paths) {
    const body = await request(`${origin}${path}`).then((response) => response.body.text())
    if (JSON.parse(body).data?.length !== LIMIT) throw new Error(`${path} does not answer ${LIMIT} events: ${body}`)
    bodies.push(body)
  }
  return bodies.sort((a, b) => a.length - b.length)[bodies.length >> 1]!
}
