import { executionAsyncResource } from 'node:async_hooks'

let kept: object | undefined

/**
 * Keeps an object that `process.nextTick` has made, and by that the shape that V8 knows all of them by. While there is none of
 * them, as there is between requests, garbage collection takes the shape after a few times; with the one that comes next V8
 * gives up, and makes these objects the slow way for good. In Node 24 nextTick then takes five times as long, and a request needs
 * it seven times: a fifth of what an answer from memory costs. It is one thread's.
 */
export function keepTickShape(): void {
  if (kept === undefined) process.nextTick(() => (kept = executionAsyncResource()))
}
