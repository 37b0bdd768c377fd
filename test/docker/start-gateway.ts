import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { takePort } from '../take-port.ts'

export interface Gateway {
  url: string
  process: ChildProcess
  stop(): Promise<void>
}

export interface GatewayOptions {
  /** The port of a name server on loopback. */
  nameServer: number
  /** The port of the API at each of the addresses. */
  apiPort: number
  env?: Record<string, string>
}

/** docker/gateway/haproxy.cfg as it is, but for the ports, which a container has for itself. */
export async function startGateway(haproxy: string, options: GatewayOptions): Promise<Gateway> {
  const source = await readFile(new URL('../../docker/gateway/haproxy.cfg', import.meta.url), 'utf8')
  const port = await takePort()
  const folder = await mkdtemp(join(tmpdir(), 'event-service-'))
  const file = join(folder, 'haproxy.cfg')
  const config = source
    .replace('parse-resolv-conf', `nameserver test 127.0.0.1:${options.nameServer}`)
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
    .replaceAll('api:8080', `api:${options.apiPort}`)
  await writeFile(file, config)
  const gateway = spawn(haproxy, ['-db', '-f', file], { env: { ...process.env, ...options.env }, stdio: 'ignore' })
  const exited = once(gateway, 'exit')
  return {
    url: `http://127.0.0.1:${port}`,
    process: gateway,
    async stop() {
      gateway.kill('SIGTERM')
      await exited
      await rm(folder, { recursive: true })
    }
  }
}
