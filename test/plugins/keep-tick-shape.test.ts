import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { live, SAMPLE, source, until, useServices } from '../service.ts'

const { run } = useServices()

it('one object of nextTick stays in memory', async () => {
  const preload = fileURLToPath(new URL('tick-objects.ts', import.meta.url))
  const service = await run(source(`file:${SAMPLE}`), {
    EVENTS_SERVER_ROLES: 'api',
    NODE_OPTIONS: `--import=${preload}`
  })
  await live(service)
  async function countTickObjects(): Promise<number> {
    const before = service.output().length
    service.process.kill('SIGUSR2')
    return Number(await until(() => /tick objects: (\d+)/.exec(service.output().slice(before))?.[1] ?? false))
  }
  // Others may still be under way, but none for long.
  await expect.poll(countTickObjects, { interval: 200 }).toBe(1)
})
