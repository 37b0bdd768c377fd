import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buildApp } from '../../app.ts'
import { StorageUnavailable } from '../../storage/kit/errors.ts'
import { createApp, type TestApp } from '../helper.ts'
import { three } from '../make-feed.ts'
import { type Provider, startProvider } from '../provider.ts'

let provider: Provider
/** On the same store as the one that stops. */
let other: TestApp
let app: FastifyInstance
beforeEach(async () => {
  provider = await startProvider()
  other = await createApp({ sources: { demo: { url: provider.url, cron: '0 0 29 2 *' } } })
  app = await buildApp({ config: other.app.config, tick: true })
})
afterEach(async () => {
  await app.close()
  await other.close()
  await provider.close()
})

const breakOff = () =>
  provider.serve((_request, response) => {
    response.writeHead(200).write(three.slice(0, three.lastIndexOf('<base_event')))
  })
/** @returns once it has stopped */
function stopBeforeTheEndIsRecorded(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { closeRun } = app.storage
  app.storage.closeRun = async (...args) => {
    app.close().then(resolve)
    // So the stop has reached what runs.
    await sleep(50)
    return closeRun(...args)
  }
  return promise
}
async function untilAsked(): Promise<void> {
  await app.ready()
  while (provider.requests.length === 0) await sleep(10)
}
async function found() {
  const [run] = (await other.app.storage.runs('demo', { limit: 1 })).items
  const lease = (await other.app.storage.agenda()).leases.find(({ name }) => name === 'source:demo')
  return { outcome: run!.outcome, reason: run!.reason, holder: lease!.holder, unfinished: lease!.unfinished }
}

it('a fetch that is stopped is left for another process', async () => {
  breakOff()
  await untilAsked()
  await app.close()
  expect(await found()).toEqual({ outcome: 'aborted', reason: 'aborted', holder: null, unfinished: true })
})

it('one that has come to its end is not', async () => {
  provider.serve(three)
  const stopped = stopBeforeTheEndIsRecorded()
  await untilAsked()
  await stopped
  expect(await found()).toEqual({ outcome: 'complete', reason: null, holder: null, unfinished: false })
})

it('one whose storage fails when it is stopped is left', async () => {
  provider.serve(three)
  const stopped = Promise.withResolvers<void>()
  app.storage.write = async () => {
    app.close().then(stopped.resolve)
    throw new StorageUnavailable('gone')
  }
  await untilAsked()
  await stopped.promise
  expect(await found()).toMatchObject({ reason: 'storage', holder: null, unfinished: true })
})

it('one that had lost its lease, which nobody took, is left', async () => {
  breakOff()
  app.storage.renewLease = async () => false
  const stopped = stopBeforeTheEndIsRecorded()
  await untilAsked()
  await stopped
  expect(await found()).toEqual({ outcome: 'aborted', reason: 'lease_lost', holder: null, unfinished: true })
})
