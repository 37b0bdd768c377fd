import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, expect, it, vi } from 'vitest'
import { takePort } from './take-port.ts'

// Of 12 000: so many that two who do not know of each other have one in common.
const MANY = 300

/** As another process takes them, which then ends. */
async function takeElsewhere(count: number): Promise<number[]> {
  const program = `
    import { takePort } from ${JSON.stringify(new URL('take-port.ts', import.meta.url).href)}
    for (let i = 0; i < ${count}; i++) console.log(await takePort())
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
  return stdout.trim().split('\n').map(Number)
}

afterEach(() => vi.restoreAllMocks())

it('gives a port once, in whichever process', async () => {
  const own: number[] = []
  for (let i = 0; i < MANY; i++) own.push(await takePort())
  const others = await takeElsewhere(MANY)
  expect(others).toHaveLength(MANY)
  expect(new Set([...own, ...others]).size).toBe(2 * MANY)
})

it('passes over a port that something listens at', async () => {
  const [port] = (await takeElsewhere(1)) as [number]
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  vi.spyOn(Math, 'random').mockReturnValue((port - 20_000 + 0.5) / 12_000)
  const next = await takePort()
  server.close()
  expect(next).not.toBe(port)
})
