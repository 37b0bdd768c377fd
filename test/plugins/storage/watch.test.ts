import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type Call, watchStorage } from '../../../plugins/storage/watch.ts'
import type { Storage } from '../../../storage/kit/contract.ts'
import { LeaseLost, StorageUnavailable } from '../../../storage/kit/errors.ts'
import type { Event } from '../../../storage/kit/event.ts'
import { ask } from '../../ask.ts'
import { createStore, makeEvent } from '../../storage/fixtures.ts'

function watch(storage: Partial<Storage>) {
  const calls: Call[] = []
  const noted = async () => {
    await sleep(0)
    return calls
  }
  const missing = () => Promise.reject(new Error('it is not there'))
  const whole = new Proxy(storage, { get: (_target, name: keyof Storage) => storage[name] ?? missing })
  return { watched: watchStorage(whole as Storage, (call) => void calls.push(call)), noted }
}

it('every operation of a storage is watched', async () => {
  const store = await createStore('sqlite')
  const watched = watchStorage(store.storage, () => undefined)
  expect(Object.keys(watched).sort()).toEqual(Object.keys(store.storage).sort())
  await store.close()
})

it('a call gives what the storage gives, and is told of with how long it took', async () => {
  const { watched, noted } = watch({ revision: () => sleep(30, 7) })
  expect(await watched.revision()).toBe(7)
  expect(await noted()).toMatchObject([{ operation: 'revision', access: 'reading', failure: undefined }])
  const [{ seconds }] = (await noted()) as [Call]
  expect(seconds).toBeGreaterThan(0.02)
  expect(seconds).toBeLessThan(1)
})

it('a failure of the storage is told apart from its answer that something is not possible', async () => {
  const error = new StorageUnavailable('away')
  const { watched, noted } = watch({
    get: () => Promise.reject(error),
    meet: () => Promise.reject(new LeaseLost('demo'))
  })
  await expect(watched.get('x')).rejects.toBe(error)
  await expect(watched.meet({} as never, [])).rejects.toThrow(LeaseLost)
  expect(await noted()).toMatchObject([
    { operation: 'get', access: 'reading', failure: error },
    { operation: 'meet', access: 'writing', failure: undefined }
  ])
})

it('a stream is told of when it ends, with how long it was waited for, not how long its consumer took', async () => {
  async function* stream(): AsyncIterable<Event> {
    for (let i = 0; i < 3; i++) yield makeEvent(i) as Event
    throw new StorageUnavailable('away')
  }
  const { watched, noted } = watch({ stream })
  let seen = 0
  const read = async () => {
    for await (const _event of watched.stream(ask())) {
      seen++
      await sleep(200)
    }
  }
  await expect(read()).rejects.toThrow(StorageUnavailable)
  expect(seen).toBe(3)
  expect(await noted()).toMatchObject([{ operation: 'stream', failure: { message: 'away' } }])
  expect((await noted())[0]!.seconds).toBeLessThan(0.4)
})

it('a consumer that leaves ends the stream', async () => {
  let isClosed = false
  async function* stream(): AsyncIterable<Event> {
    try {
      for (let i = 0; ; i++) yield makeEvent(i) as Event
    } finally {
      isClosed = true
    }
  }
  const { watched, noted } = watch({ stream })
  for await (const _event of watched.stream(ask())) break
  expect(isClosed).toBe(true)
  expect(await noted()).toMatchObject([{ operation: 'stream', failure: undefined }])
})
