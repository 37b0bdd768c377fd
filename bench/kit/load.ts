import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import type { Bench } from './bench.ts'
import { type Comparison, compare } from './compare.ts'
import { runProgram, type Server, startServer } from './processes.ts'
import { LIMIT } from './queries.ts'

export const CONNECTIONS = 30

export interface LoadOptions {
  origin: string
  connections?: number
  seconds: number
  /** One path, or a different one each time. */
  ask: { path: string } | { seed: number }
  headers?: Record<string, string>
}

/** What a bare route sends. */
export interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

interface LoadComparison {
  /** Left out: as many as there are usually. */
  connections?: number
  /** Environment of the real server. */
  env: NodeJS.ProcessEnv
  /** Paths whose answer of median length is what the bare route sends. */
  samples: string[]
  ask(nth: number): LoadOptions['ask']
  /** Whether clients have what the server has, and say so. */
  isConditional?: boolean
  /** Left out: a route that sends a prebuilt answer. */
  startBare?: (answer: string) => Promise<Server>
}

/** Requests a second of the real list route, and of a bare one that sends the same bytes, headers included. */
export async function compareLoad(bench: Bench, options: LoadComparison): Promise<Comparison> {
  const { env, samples, ask, isConditional = false, startBare = startPrebuilt, connections = CONNECTIONS } = options
  const { warmupSeconds, rounds, turns, seconds } = bench.sizes.load
  await using ours = await startServer('server.ts', { env: { ...env, EVENTS_SERVER_ROLES: 'api' }, core: 'server' })
  let answer = await readTypical(ours.origin, samples)
  let headers: Record<string, string> = {}
  if (isConditional) {
    // Once the state has stood for a moment it says when it came about, and goes on saying it.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    answer = await read(ours.origin + samples[0]!)
    headers = { 'if-none-match': answer.headers.etag! }
    answer = await read(ours.origin + samples[0]!, headers)
    if (answer.status !== 304) throw new Error(`expected 304, got ${answer.status}`)
  }
  const file = join(bench.folder, 'answer.json')
  await writeFile(file, JSON.stringify(answer))
  await using bare = await startBare(file)

  const put = (server: Server, nth: number, time = seconds) =>
    load({ origin: server.origin, connections, seconds: time, ask: ask(nth), headers })
  for (const server of [ours, bare]) await put(server, 0, warmupSeconds)
  return await compare(rounds, (nth) => ({ ours: () => put(ours, nth), bare: () => put(bare, nth) }), turns)
}

/** @returns requests a second */
export function load(options: LoadOptions): Promise<number> {
  return runProgram('bench/programs/load.ts', { args: [JSON.stringify(options)], core: 'load' })
}

const startPrebuilt = (answer: string) =>
  startServer('bench/programs/bare-route.ts', { args: [answer], core: 'server' })

async function readTypical(origin: string, paths: string[]): Promise<Answer> {
  const answers: Answer[] = []
  for (const path of paths) {
    const answer = await read(origin + path)
    if (JSON.parse(answer.body).data?.length !== LIMIT) throw new Error(`${path} does not answer ${LIMIT} events`)
    answers.push(answer)
  }
  return answers.sort((a, b) => a.body.length - b.body.length)[answers.length >> 1]!
}

/** What the server and the connection add by themselves is left out. */
const ADDED = ['connection', 'keep-alive', 'date', 'content-length', 'transfer-encoding']

async function read(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { statusCode: status, headers: all, body } = await request(url, { headers })
  const own = Object.entries(all).filter(([name]) => !ADDED.includes(name))
  return {
    status,
    headers: Object.fromEntries(own.map(([name, value]) => [name, String(value)])),
    body: await body.text()
  }
}
