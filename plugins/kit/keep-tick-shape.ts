import { executionAsyncResource } from 'node:async_hooks'

let _kept: object | undefined

/**
 * Keeps in memory one of the objects that `process.nextTick` makes, and by that the shape that V8 knows all of them by. When none
 * is left, as between requests, garbage collection takes the shape after a few times; and V8, which finds another one
 * where it had that, makes these objects without its shortcut from then on. In Node 24 a nextTick then takes five times as
 * long, and a request needs seven: a fifth of what an answer from memory costs. To see whether that is still so: time
 * nextTick before and after four calls of `gc()` with a pause between them. Each thread has to do it for itself.
 */
export function keepTickShape(): void {
  process.nextTick(() => (_kept = executionAsyncResource()))
}
