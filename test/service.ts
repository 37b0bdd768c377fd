import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach } from 'vitest'
import { takePort } from './take-port.ts'

const SERVER = fileURLToPath(new URL('../server.ts', import.meta.url))
/** A feed of three events. */
export const SAMPLE = fileURLToPath(new URL('feeds/v2-snapshot-1.xml', import.meta.url))

export interface Service {
  process: ChildProcess
  /** Once it listens. */
  url: string
  /** All that it has printed so far. */
  output(): string
  /** The lines of its log so far. */
  log(): LogLine[]
  /** Code, or the signal that ended it. */
  exit: Promise<number | string>
  /** When it and every process that it started have ended. */
  gone: Promise<unknown>
}

export interface LogLine {
  level: number
  msg: string
  pid: number
  [key: string]: unknown
}

/** The process as `npm start` runs it. Each test has a folder of its own, and what it started is killed after it. */
export function useServices(): Pick<Services, 'path' | 'run'> {
  let services: Services
  beforeEach(async () => {
    services = await createServices()
  })
  afterEach(() => services[Symbol.asyncDispose]())
  return {
    path: (name) => services.path(name),
    run: (config, env) => services.run(config, env)
  }
}

export interface Services extends AsyncDisposable {
  /** Of a file in the folder that they share: `config.ini`, and `data/events.db` beside it. */
  path(name: string): string
  /** @param config text of the file, which all of them share */
  run(config: string, env?: Record<string, string>): Promise<Service>
}

/** For tests that run beside each other: with a folder of their own, to be killed by whoever made them. */
export async function createServices(): Promise<Services> {
  const folder = await mkdtemp(join(tmpdir(), 'event-service-'))
  const services: Service[] = []
  return {
    path: (name) => join(folder, name),
    async run(config, env = {}) {
      const port = env.EVENTS_SERVER_PORT ?? String(await takePort())
      const file = join(folder, 'config.ini')
      await writeFile(file, config)
      const child = spawn(process.execPath, [SERVER], {
        env: { PATH: process.env.PATH, EVENTS_CONFIG: file, EVENTS_SERVER_PORT: port, ...env },
        stdio: ['ignore', 'pipe', 'pipe']
      })
      let text = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data))
      const service: Service = {
        process: child,
        url: `http://127.0.0.1:${port}`,
        output: () => text,
        log: () => readLog(text),
        exit: once(child, 'exit').then(([code, signal]) => code ?? signal),
        // Its output ends with the last process that may write to it.
        gone: once(child, 'close')
      }
      services.push(service)
      return service
    },
    async [Symbol.asyncDispose]() {
      for (const { process, gone } of services.splice(0)) {
        process.kill('SIGKILL')
        await gone
      }
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** Process ids of the workers that have begun to answer requests, oldest first. */
export const workers = (service: Service) =>
  service
    .log()
    .filter(({ msg }) => msg === 'a worker answers requests')
    .map(({ worker_pid }) => worker_pid as number)

/** That a line with this message has been logged so many times. */
export const logged = (service: Service, msg: string, times = 1) =>
  until(() => service.log().filter((line) => line.msg === msg).length >= times)

function readLog(text: string): LogLine[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
}

/** The section of one source, `demo`, on loopback or in a file. */
export const source = (url: string) => `[source.demo]\nadapter = provider-xml\nallow_private = true\nurl = ${url}\n`

export const status = async (url: string) => (await fetch(url)).status
export const live = (service: Service) => until(async () => (await status(`${service.url}/livez`)) === 200)
export const ready = (service: Service) => until(async () => (await status(`${service.url}/readyz`)) === 200)
export const ingested = (service: Service, count: number) => until(async () => (await events(service)).length === count)

export async function events({ url }: Service) {
  const { data } = (await (await fetch(`${url}/v1/api/events`)).json()) as { data: { title: string }[] }
  return data
}

/** Asks again and again until there is an answer; to throw is none. */
export async function until<T>(check: () => Promise<T | false> | T | false, ms = 100_000): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const result = await Promise.resolve()
      .then(check)
      .catch(() => false as const)
    if (result !== false) return result
    if (performance.now() > deadline) throw new Error('it did not come to pass in time')
    await sleep(25)
  }
}

/** A port where there is nothing until it is opened; then, a server elsewhere. */
export async function createGate(target: { hostname: string; port: string | number }) {
  const sockets = new Set<Socket>()
  let server: Server | undefined
  const port = await takePort()
  return {
    port,
    async open() {
      server = createServer((socket) => {
        const upstream = connect(Number(target.port), target.hostname)
        for (const [from, to] of [
          [socket, upstream],
          [upstream, socket]
        ] as const) {
          sockets.add(from)
          from.on('error', () => to.destroy()).pipe(to)
        }
      }).listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
    }
  }
}
