import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { expect, vi } from 'vitest'
import type { Examples } from '../../../plugins/docs/add-examples.ts'
import { StorageUnavailable } from '../../../storage/kit/errors.ts'
import { type Body, createApp, type TestApp } from '../../helper.ts'
import { ingest, makeEvent } from '../../storage/fixtures.ts'
import { askForActions, askForReading, LIST } from './ask-well.ts'
import { codesOf, listOperations, type Operation, readDocument } from './operations.ts'
import { createRecord, type ExampleRecord } from './record.ts'
import { block, leap, replaceStorage, slowly } from './states.ts'

const SAMPLES = new URL('../../../samples/', import.meta.url)
const SOURCE = { timezone: 'Europe/Madrid' }
const NOBODY = '00000000-0000-4000-8000-000000000000'
const BUSY_MS = 20
const MOST_STREAMS = 500
/** More than anybody waits for an answer. */
const TOO_LONG_MS = 16_000

const unavailable = () => Promise.reject(new StorageUnavailable('the storage is away'))
const never = () => new Promise<never>(() => undefined)

/** Brings services into every state that has an answer of its own, and asks. */
export async function askEverything(): Promise<Examples> {
  const folder = await mkdtemp(join(tmpdir(), 'event-service-'))
  const feed = join(folder, 'events.xml')
  await writeFile(feed, await readFile(new URL('events.xml', SAMPLES)))
  const sources = {
    demo: { url: pathToFileURL(feed).href, ...SOURCE },
    'demo-2019': { url: new URL('events-2019.xml', SAMPLES).href, ...SOURCE, enabled: false }
  }
  const services: TestApp[] = []
  async function start(server: Record<string, string | number>, ingest?: () => string) {
    const service = await createApp({ sources, server: { overload_ms: 0, ...server }, ingest })
    services.push(service)
    return service.app
  }
  try {
    const record = createRecord()
    const busy = await start({ overload_ms: BUSY_MS })
    let thread = 'alive'
    const main = await start({}, () => thread)
    await askForReading(services[1]!, record, feed)
    await askForActions(services[1]!, record, feed)

    const { ask, examples } = record
    const operations = listOperations(await readDocument(main))
    const ids = new Map(
      ['getEvent', 'getEventHistory', 'getRun', 'getCommand'].map((id) => [id, idIn(examples, id)] as const)
    )
    const having = (status: number, code?: string) =>
      operations
        .filter(({ responses }) =>
          code === undefined ? status in responses : codesOf(responses[status]).includes(code)
        )
        .map((operation) => ({ operation, question: toQuestion(operation, ids.get(operation.id)) }))

    for (const { operation, question } of having(400)) await askWrongly(main, record, operation, question)
    for (const { question } of having(304)) await expectNotModified(main, question.url)
    thread = 'it has not started yet'
    await ask(main, 503, 'not_ready', { operation: 'isReady', url: '/readyz' })
    await main.storage.prune({ runs: 1000, historySince: new Date(Date.now() + 86_400_000).toISOString() })
    for (const { question } of having(410)) {
      const gone = question.operation === 'listChanges' ? `cursor=${cursorIn(examples)}` : 'as_of=now'
      await ask(main, 410, 'forgotten', { ...question, url: `${question.url}?${gone}` })
    }
    replaceStorage(main, unavailable)
    await ask(main, 200, 'stale', { operation: 'listEvents', url: LIST })

    const closed = await start({ admin_token: '' })
    for (const { question } of having(403)) await ask(closed, 403, 'admin_disabled', question)
    for (const { question } of having(503, 'too_many_streams')) {
      const stream = { ...question, headers: { accept: 'text/event-stream' } }
      for (let i = 0; i < MOST_STREAMS; i++) await closed.inject({ ...stream, payloadAsStream: true })
      await ask(closed, 503, 'too_many_streams', stream)
    }

    const small = await start({ rate_limit: 100, cache_mb: 0 })
    const many = Array.from({ length: 1000 }, (_, i) => makeEvent(i))
    await ingest(small.storage, many)
    for (const { question } of having(503, 'query_too_slow')) {
      const slow = { ...question, url: `${question.url}?zone=nowhere` }
      await slowly(500, () => ask(small, 503, 'query_too_slow', slow))
    }
    replaceStorage(small, unavailable)
    for (const { question } of having(503, 'storage_unavailable')) {
      await ask(small, 503, 'storage_unavailable', question)
    }
    replaceStorage(small, never)
    await leap(TOO_LONG_MS, () =>
      Promise.all(having(503, 'timeout').map(({ question }) => ask(small, 503, 'timeout', question)))
    )
    while ((await small.inject('/v1/api/sources?what')).statusCode !== 429);
    for (const { question } of having(429)) await ask(small, 429, 'rate_limited', question)

    for (const { question } of having(503, 'overloaded')) {
      while ((await busy.inject('/v1/api/sources?what')).statusCode !== 503) await block(3 * BUSY_MS)
      await ask(busy, 503, 'overloaded', question)
    }
    return examples
  } finally {
    vi.restoreAllMocks()
    for (const service of services) await service.close()
    await rm(folder, { recursive: true })
  }
}

/** What is wrong with a request that the service is well for. */
async function askWrongly(app: FastifyInstance, { ask }: ExampleRecord, operation: Operation, question: Question) {
  const { path, parameters, responses } = operation
  const wrong = WRONG.find(([name]) => parameters.includes(name)) ?? ['limit', '1']
  await ask(app, 400, 'invalid_parameter', { ...question, url: `${question.url}?${wrong.join('=')}` })
  if (401 in responses) await ask(app, 401, 'unauthorized', { ...question, isAdmin: false })
  if (!(404 in responses)) return
  const { url } = path.includes('{id}') ? toQuestion(operation) : { url: path.replace('{name}', 'demo-2020') }
  await ask(app, 404, 'not_found', { ...question, url })
}

const WRONG = [
  ['start_date', '2021-09-31T20:00:00'],
  ['dry_run', 'perhaps'],
  ['limit', '1001']
] as const

/** It has no body, and so no example. */
async function expectNotModified(app: FastifyInstance, url: string): Promise<void> {
  const { headers } = await app.inject(url)
  const again = await app.inject({ url, headers: { 'if-none-match': headers.etag as string } })
  expect([url, again.statusCode, again.body]).toEqual([url, 304, ''])
}

type Question = ReturnType<typeof toQuestion>
const toQuestion = ({ id: operation, method, path }: Operation, id = NOBODY) => ({
  operation,
  method,
  url: path.replace('{name}', 'demo').replace('{id}', id)
})

/** Of what was asked for in an example. */
function idIn(examples: Examples, operation: string): string {
  const [example] = Object.values(examples[operation]!['200']!['application/json']!)
  return /\/([0-9a-f-]{36})/.exec(example!.request)![1]!
}

/** Of a page of changes. */
function cursorIn({ listChanges }: Examples): string {
  return (listChanges!['200']!['application/json']!.page!.value as Body).page.next_cursor!
}
