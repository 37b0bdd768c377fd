import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { superviseThread } from '../../plugins/kit/supervise-thread.ts'
import { createLog } from './create-log.ts'

it('replaces a thread that hangs', async () => {
  const { lines, log } = createLog()
  const thread = superviseThread(new URL('hanging-thread.ts', import.meta.url), { heapMb: 64, log, silentMs: 300 })
  thread.start()
  const count = (start: string) => lines.filter((line) => line.msg.startsWith(start)).length
  while (count('the ingest thread ended') < 2) await sleep(20)
  expect(count('the ingest thread does not answer')).toBeGreaterThanOrEqual(2)
  await thread.stop()
})

it('replaces a thread that runs out of heap, and costs the process nothing else', async () => {
  const { lines, log } = createLog()
  const thread = superviseThread(new URL('leaking-thread.ts', import.meta.url), { heapMb: 16, log })
  thread.start()
  const ended = () => lines.filter((line) => line.msg.startsWith('the ingest thread ended')).length
  while (ended() < 2) await sleep(20)
  expect(lines.filter((line) => line.err?.code === 'ERR_WORKER_OUT_OF_MEMORY').length).toBeGreaterThanOrEqual(2)
  await thread.stop()
  const after = lines.length
  await sleep(1500)
  expect(lines.length).toBe(after)
})
