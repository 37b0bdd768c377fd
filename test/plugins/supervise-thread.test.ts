import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { superviseThread } from '../../plugins/kit/supervise-thread.ts'
import { createLog } from './create-log.ts'

it('replaces a thread that hangs', async () => {
  const { lines, log } = createLog()
  const thread = superviseThread(new URL('hanging-thread.ts', import.meta.url), {
    settings: () => ({ heapMb: 64 }),
    log,
    silentMs: 300
  })
  thread.start()
  const count = (start: string) => lines.filter((line) => line.msg.startsWith(start)).length
  while (count('the ingest thread ended') < 2) await sleep(20)
  expect(count('the ingest thread does not answer')).toBeGreaterThanOrEqual(2)
  await thread.stop()
})

it('replaces a thread that runs out of heap, and costs the process nothing else', async () => {
  const { lines, log } = createLog()
  const states: string[] = []
  const thread = superviseThread(new URL('leaking-thread.ts', import.meta.url), {
    settings: () => ({ heapMb: 16 }),
    log,
    onState: (state) => states.push(state)
  })
  expect(thread.state()).toBe('it has not started yet')
  thread.start()
  const ended = () => lines.filter((line) => line.msg.startsWith('the ingest thread ended')).length
  while (ended() < 2) await sleep(20)
  expect(states.slice(0, 3)).toEqual(['alive', thread.state(), 'alive'])
  expect(thread.state()).toBe('it ended by itself, and is started again shortly')
  expect(lines.filter((line) => line.err?.code === 'ERR_WORKER_OUT_OF_MEMORY').length).toBeGreaterThanOrEqual(2)
  await thread.stop()
  const after = lines.length
  await sleep(1500)
  expect(lines.length).toBe(after)
})

it('starts another one, with the settings as they are then, when it is told to', async () => {
  const { lines, log } = createLog()
  const starts = new Int32Array(new SharedArrayBuffer(8))
  let place = 0
  const thread = superviseThread(new URL('counting-thread.ts', import.meta.url), {
    settings: () => ({ heapMb: 64, data: { starts, place } }),
    log
  })
  thread.start()
  while (thread.state() !== 'alive') await sleep(20)
  place = 1
  thread.restart()
  // To say it twice is to say it once.
  thread.restart()
  while (starts[1] === 0) await sleep(20)
  await sleep(200)
  expect([...starts]).toEqual([1, 1])
  expect(thread.state()).toBe('alive')
  expect(lines).toEqual([])
  await thread.stop()
})
