import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMongodb } from '../mongodb-server.ts'
import { startProvider } from '../provider.ts'
import { createGate, source, useServices } from '../service.ts'
import { whyNot } from '../storage/fixtures.ts'
import { type Fault, goThrough, IMPATIENT } from './storage-fault.ts'

/** What a primary that steps down, is shut down or starts again says. */
const STEPPING_DOWN = [189, 10107, 11600, 11602, 91]
const COMMANDS = ['find', 'findAndModify', 'insert', 'update', 'delete', 'aggregate', 'count', 'getMore']

describe.skipIf(whyNot('mongodb') !== undefined)('a fault of MongoDB', () => {
  // One of its own: there is one fail point a server.
  let server: Awaited<ReturnType<typeof startMongodb>>
  let client: MongoClient
  beforeAll(async () => {
    server = await startMongodb()
    client = await new MongoClient(server.url).connect()
  })
  afterAll(async () => {
    await client.close()
    await server.stop()
  })
  const services = useServices()

  const failing = (data: object) =>
    client.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: 'alwaysOn',
      data: { failCommands: COMMANDS, appName: 'event-service', ...data }
    })
  const working = () => client.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' })

  async function run(fault: Fault, port: string | number, task: Parameters<typeof goThrough>[1]['task']) {
    const provider = await startProvider()
    const service = await services.run(source(provider.url) + IMPATIENT, {
      EVENTS_SERVER_STORAGE: 'mongodb',
      EVENTS_MONGODB_PORT: String(port),
      EVENTS_MONGODB_DATABASE: `test-${randomUUID()}`
    })
    const { lines } = await goThrough(fault, { service, provider, task })
    await provider.close()
    return lines
  }
  const port = () => new URL(server.url).port

  it('that resets connections', async ({ task }) => {
    const begin = () => failing({ closeConnection: true })
    const lines = await run({ name: 'MongoDB resets every connection', begin, end: working }, port(), task)
    expect(lines).toMatchObject(lines.map(() => ({ reason: expect.stringContaining('MongoDB: ') })))
  }, 600_000)

  it('whose primary steps down', async ({ task }) => {
    const stop = new AbortController()
    async function begin() {
      await failing({ errorCode: STEPPING_DOWN[0] })
      void (async () => {
        for (let i = 1; !stop.signal.aborted; i++) {
          await sleep(500)
          if (!stop.signal.aborted) await failing({ errorCode: STEPPING_DOWN[i % STEPPING_DOWN.length] })
        }
      })()
    }
    async function end() {
      stop.abort()
      await sleep(600)
      await working()
    }
    await run({ name: `MongoDB's primary steps down (${STEPPING_DOWN.join(', ')})`, begin, end }, port(), task)
  }, 600_000)

  it('that is so slow that nobody can wait for it', async ({ task }) => {
    const begin = () => failing({ blockConnection: true, blockTimeMS: 6000 })
    await run({ name: 'MongoDB takes 6 s for everything', begin, end: working, lasts: 9 }, port(), task)
  }, 600_000)

  it('that is gone, and comes back', async ({ task }) => {
    const gate = await createGate(new URL(server.url))
    await gate.open()
    const fault = { name: 'MongoDB is gone', begin: () => gate.close(), end: () => gate.open() }
    await run(fault, gate.port, task)
    await gate.close()
  }, 600_000)
})
