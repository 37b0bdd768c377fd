import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, expect, it, vi } from 'vitest'
import { PORTS, takePort } from './take-port.ts'

// So many that two who do not know of each other have one in common.
const MANY = 300

/** As another process takes them, which then ends. */
async function takeElsewhere(count: number): Promise<number[]> {
  const program = `
    import { takePort } from ${JSON.stringify(new URL('take-port.ts', import.meta.url).href)}
    for (let i = 0; i < ${count}; i++) console.log(await takePort())
  `
  const args = ['--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000, killSignal: 'SIGKILL' })
  return stdout.trim().split('\n').map(Number)
}
/** Takes one, if it can, that is so far from the first. */
async function takeFrom(offset: number): Promise<number> {
  vi.spyOn(Math, 'random').mockReturnValue((offset + 0.5) / PORTS.count)
  return takePort()
}
async function listen(port: number) {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

afterEach(() => vi.restoreAllMocks())

it('gives a port once, in whichever process, and none that the system may give', async () => {
  const own: number[] = []
  for (let i = 0; i < MANY; i++) own.push(await takePort())
  const others = await takeElsewhere(MANY)
  expect(others).toHaveLength(MANY)
  expect(new Set([...own, ...others]).size).toBe(2 * MANY)
  expect(Math.max(...own, ...others)).toBeLessThan(32_768)
})

it('passes over a port that something listens at, and leaves it to others', async () => {
  const [port] = (await takeElsewhere(1)) as [number]
  const server = await listen(port)
  expect(await takeFrom(port - PORTS.first)).not.toBe(port)
  server.close()
  await once(server, 'close')
  expect(await takeFrom(port - PORTS.first)).toBe(port)
})

it('gives one that can be listened at', async () => {
  const server = await listen(await takePort())
  server.close()
})

it('goes on at the first after the last', async () => {
  const last = PORTS.count - 1
  await takeFrom(last)
  const next = await takeFrom(last)
  expect(next).toBeGreaterThanOrEqual(PORTS.first)
  expect(next).toBeLessThan(PORTS.first + last)
})
