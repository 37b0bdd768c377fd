import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it, vi } from 'vitest'
import { type SupervisedWorkers, superviseWorkers } from '../../plugins/kit/supervise-workers.ts'
import { until } from '../service.ts'
import { createLog } from './create-log.ts'

let pool: SupervisedWorkers | undefined
afterEach(async () => {
  pool?.kill()
  await pool?.stop()
})

async function start(file: string, { count = 2, silentMs = 3000, startMs = 10_000 } = {}) {
  const { lines, log } = createLog()
  const onHopeless = vi.fn()
  const settings: { count: number; first: object } = { count, first: {} }
  pool = superviseWorkers(new URL(file, import.meta.url), {
    settings: () => settings,
    log,
    onHopeless,
    closeMs: 0,
    silentMs,
    startMs
  })
  const said = (msg: string) => lines.filter((line) => line.msg.startsWith(msg))
  return { pool, said, settings, onHopeless }
}

/** They take turns. */
async function whoAnswers(origin: string): Promise<Set<string>> {
  const pids = new Set<string>()
  for (let i = 0; i < 6; i++) pids.add(await (await fetch(origin)).text())
  return pids
}

it('replaces a worker that hangs, and resets the connection that it was handed and did not take', async () => {
  const { pool, said } = await start('test-worker.ts')
  const origin = await pool.start()
  const port = Number(new URL(origin).port)
  await until(() => said('a worker answers requests').length === 2)
  const hanging = fetch(`${origin}/hang`).catch(() => 'failed')
  await sleep(100)
  // One of these is handed to the one that hangs; the other ones get an answer.
  const clients = Array.from({ length: 4 }, () => {
    const client = connect(port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    return Promise.race([
      once(client, 'data').then(() => 'answered'),
      once(client, 'close').then(() => 'closed')
    ]).catch((error) => error.code)
  })
  const results = (await Promise.all(clients)).sort()
  expect(results.slice(1)).toEqual(['answered', 'answered', 'answered'])
  expect(results[0]).toMatch(/ECONNRESET|closed/)
  expect(await hanging).toBe('failed')
  expect(said('a worker does not answer')).toHaveLength(1)
  await until(() => said('a worker answers requests').length === 3)
  expect((await whoAnswers(origin)).size).toBe(2)
})

it('has as many workers as are wanted when it has replaced all', async () => {
  const { pool, said, settings } = await start('test-worker.ts', { count: 1 })
  const origin = await pool.start()
  settings.count = 3
  expect(await pool.replaceAll()).toBe(true)
  await until(() => said('a worker answers requests').length === 4)
  expect((await whoAnswers(origin)).size).toBe(3)
  settings.count = 1
  expect(await pool.replaceAll()).toBe(true)
  expect((await whoAnswers(origin)).size).toBe(1)
  expect(said('a worker ended')).toEqual([])
})

it('goes on with those that it has where a new one never listens, and ends that one', async () => {
  const { pool, said, settings } = await start('test-worker.ts', { startMs: 2000 })
  const origin = await pool.start()
  await until(() => said('a worker answers requests').length === 2)
  const before = await whoAnswers(origin)
  settings.first = { isMute: true }
  expect(await pool.replaceAll()).toBe(false)
  expect(await whoAnswers(origin)).toEqual(before)
  settings.first = {}
  expect(await pool.replaceAll()).toBe(true)
  expect([...(await whoAnswers(origin))].filter((pid) => before.has(pid))).toEqual([])
})

it('gives up where a worker ends of its own accord before it listens, and none does', async () => {
  const { pool, said, onHopeless } = await start('failing-worker.ts')
  void pool.start()
  await until(() => onHopeless.mock.calls.length > 0)
  expect(onHopeless.mock.calls).toEqual([[2]])
  expect(said('a worker ended')).toEqual([])
})
