import { createHook } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { keepTickShape } from '../../plugins/kit/keep-tick-shape.ts'

it('one object of nextTick stays in memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const made: WeakRef<object>[] = []
  const hook = createHook({
    init: (_id, type, _trigger, object) => void (type === 'TickObject' && made.push(new WeakRef(object)))
  }).enable()
  keepTickShape()
  process.nextTick(() => undefined)
  hook.disable()
  for (let i = 0; i < 5; i++) {
    await sleep(5)
    collect()
  }
  expect(made.filter((object) => object.deref() !== undefined)).toHaveLength(1)
})
