import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

type Child = ChildProcessByStdio<null, Readable, null>

interface StartOptions {
  args?: string[]
  env?: NodeJS.ProcessEnv
  /** To have to itself. */
  core?: keyof typeof CORES
}

export interface Server extends AsyncDisposable {
  origin: string
  pid: number
}

const CORES = { load: '0', server: '1' }

/** Whether server and load generator can be kept off each other's core. */
export const isPinned = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0

const children = new Set<Child>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/**
 * Runs a program of this repository to its end.
 * @returns what it printed, as JSON
 */
export async function runProgram<T>(file: string, options: StartOptions): Promise<T> {
  const child = start(file, options)
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${output}`)
  return JSON.parse(output)
}

/** Starts a program that prints where it listens. */
export async function startServer(file: string, options: StartOptions): Promise<Server> {
  const child = start(file, options)
  return {
    origin: await readOrigin(file, child),
    pid: child.pid!,
    [Symbol.asyncDispose]: () => stop(child)
  }
}

function start(file: string, { args = [], env = {}, core }: StartOptions): Child {
  const pin = core !== undefined && isPinned ? ['taskset', '-c', CORES[core]] : []
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url))
  const [command, ...rest] = [...pin, process.execPath, path, ...args]
  const child = spawn(command!, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

function readOrigin(file: string, child: Child): Promise<string> {
  let output = ''
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      output += chunk
      const origin = /http:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(output)
      if (origin !== null) resolve(origin[0])
    })
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code} before it listened: ${output}`)))
  })
}

const PATIENCE_MS = 10_000

async function stop(child: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  await exited
  clearTimeout(timer)
}
