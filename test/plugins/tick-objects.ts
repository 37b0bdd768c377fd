// Preloaded by a test: at SIGUSR2, says how many of the objects of nextTick outlive garbage collection.
import { createHook } from 'node:async_hooks'
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const made: WeakRef<object>[] = []
createHook({
  init: (_id, type, _trigger, object) => void (type === 'TickObject' && made.push(new WeakRef(object)))
}).enable()

process.on('SIGUSR2', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let i = 0; i < 5; i++) {
    await sleep(5)
    collect()
  }
  writeSync(2, `tick objects: ${made.filter((object) => object.deref() !== undefined).length}\n`)
})
