import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { vi } from 'vitest'

/** Time leaps by so much while something is waited for. */
export async function leap<T>(ms: number, act: () => Promise<T>): Promise<T> {
  const now = performance.now.bind(performance)
  let ahead = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead)
  const timer = setTimeout(() => (ahead = ms), 100)
  return act().finally(() => {
    clearTimeout(timer)
    clock.mockRestore()
  })
}

/** Whatever is done takes so much longer. */
export async function slowly<T>(ms: number, act: () => Promise<T>): Promise<T> {
  const now = performance.now.bind(performance)
  let ahead = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    ahead += ms
    return now() + ahead
  })
  return act().finally(() => clock.mockRestore())
}

/** Whatever the storage is asked for, it answers this. */
export function replaceStorage({ storage }: FastifyInstance, answer: () => Promise<never>): void {
  const items = { [Symbol.asyncIterator]: () => ({ next: answer }) }
  for (const name of Object.keys(storage) as (keyof typeof storage)[]) {
    if (name === 'close') continue
    const call = vi.spyOn(storage, name) as { mockImplementation(by: () => unknown): void }
    call.mockImplementation(() => (name === 'stream' ? items : answer()))
  }
}

/** Has the process do nothing else for a while. */
export async function block(ms: number): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; );
  await nextTurn()
}
