// Vitest's global setup that provides `mongodb`: a server for the tests, or the reason why there is none.
// In this order: EVENTS_TEST_MONGODB_URL, a mongod on the PATH, SecantusDB (MongoDB's wire protocol, from PyPI).
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MongoClient } from 'mongodb'
import type { TestProject } from 'vitest/node'
import { takePort } from './take-port.ts'

declare module 'vitest' {
  interface ProvidedContext {
    mongodb: { url: string } | { reason: string }
  }
}

const SECANTUS = '0.7.0b3'
const CACHE = join(import.meta.dirname, '../node_modules/.cache')
const PYTHONS = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10']
const REMEDY = 'set EVENTS_TEST_MONGODB_URL, or install mongod, or Python 3.10 or newer with its venv module'

const run = promisify(execFile)

export default async function setup(project: TestProject) {
  const given = process.env.EVENTS_TEST_MONGODB_URL
  try {
    if (given) await waitForPrimary(given)
    const { url, stop } = given ? { url: given } : await startMongodb()
    project.provide('mongodb', { url })
    return stop
  } catch (error) {
    const reason = `No MongoDB server for the tests (${REMEDY}): ${(error as Error).message}`
    // A server that was asked for by name must be there, and CI must not pass by skipping.
    if (given || process.env.CI === 'true') throw new Error(reason)
    console.warn(`${reason}\nTests that need one are skipped.`)
    project.provide('mongodb', { reason })
  }
}

/** A server of one's own, on empty data: also for benchmarks, and for tests that stop theirs. */
export async function startMongodb() {
  const hasMongod = await succeeds('mongod', ['--version'])
  const program = hasMongod ? 'mongod' : await installSecantus()
  const directory = await mkdtemp(join(tmpdir(), 'events-mongodb-'))
  const port = await takePort()
  // A SecantusDB that stops calls itself a standalone: a driver that follows a replica set would drop it for good.
  const url = `mongodb://127.0.0.1:${port}/${hasMongod ? '' : '?directConnection=true'}`
  const args = hasMongod
    ? '--dbpath . --bind_ip 127.0.0.1 --nounixsocket --replSet events --setParameter enableTestCommands=1'
    : '-m secantus --storage-path . --host 127.0.0.1 --enable-test-commands --log-level ERROR'
  const server = spawn(program, [...args.split(' '), '--port', `${port}`], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const exited = once(server, 'exit')
  // When this process is gone, even killed, the shell sees the end of its input, stops the server and tidies up.
  const cleanUp = `read -r _; kill ${server.pid}; while kill -0 ${server.pid}; do sleep 1; done; rm -r "$0"`
  const guard = spawn('sh', ['-c', cleanUp, directory], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })

  async function stop() {
    server.kill('SIGTERM')
    await exited
    guard.kill()
    await rm(directory, { recursive: true, force: true })
  }

  try {
    const isReady = hasMongod ? initiateReplicaSet(url).then(() => waitForPrimary(url)) : waitForPrimary(url)
    const hasEnded = exited.then(([code]) => Promise.reject(new Error(`${program} ended with ${code}`)))
    await Promise.race([isReady, hasEnded])
    return { url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

// Step-downs and retryable writes exist in a replica set only.
async function initiateReplicaSet(url: string) {
  await using client = new MongoClient(url, { directConnection: true })
  const { hosts } = await client.db('admin').command({ hello: 1 })
  const members = [{ _id: 0, host: new URL(url).host }]
  if (!hosts) await client.db('admin').command({ replSetInitiate: { _id: 'events', members } })
}

async function waitForPrimary(url: string) {
  await using client = new MongoClient(url, { serverSelectionTimeoutMS: 30_000 })
  await client.db('admin').command({ ping: 1 })
}

/** Answers with the Python of a virtual environment that has SecantusDB. */
async function installSecantus() {
  const home = join(CACHE, `secantusdb-${SECANTUS}`)
  const python = join(home, 'bin/python')
  const check = `import secantus, importlib.metadata as m; assert m.version('SecantusDB') == '${SECANTUS}'`
  const isThere = existsSync(home)
  if (isThere && (await succeeds(python, ['-c', check]))) return python
  if (isThere) await rm(home, { recursive: true }) // the Python that it was made from has gone
  const base = await findPython()
  await mkdir(CACHE, { recursive: true })
  // Only a whole one gets the name. It may move: `python -m` needs none of the scripts that hold absolute paths.
  const half = await mkdtemp(`${home}-`)
  try {
    await run(base, ['-m', 'venv', half])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:']
    await run(join(half, 'bin/python'), [...pip, `SecantusDB==${SECANTUS}`])
    await rename(half, home).catch(() => {}) // another run was first
  } finally {
    await rm(half, { recursive: true, force: true })
  }
  return python
}

async function findPython() {
  for (const name of PYTHONS) {
    if (await succeeds(name, ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))'])) return name
  }
  throw new Error('there is no Python 3.10 or newer')
}

function succeeds(program: string, args: string[]) {
  return run(program, args)
    .then(() => true)
    .catch(() => false)
}
