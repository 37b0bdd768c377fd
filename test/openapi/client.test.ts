import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { generateApi } from 'swagger-typescript-api'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADMIN_TOKEN, createApp, type TestApp } from '../helper.ts'
import { readDocument } from './kit/operations.ts'

const run = promisify(execFile)

type Spec = Extract<Parameters<typeof generateApi>[0], { spec: unknown }>['spec']

/** Uses what was generated, with its types. */
const PROGRAM = `
import { Api, type Change, type Event, type EventFields, type HttpResponse, type Problem, type Source } from './api.js'

const [, , baseUrl, token] = process.argv as [string, string, string, string]
const api = new Api<string>({
  baseUrl,
  securityWorker: (token) => ({ headers: { authorization: \`Bearer \${token}\` } })
})
const show = (value: unknown) => console.log(JSON.stringify(value))

const list = await api.v1.listEvents({ start_date: '2021-02-01', end_date: '2021-07-31', limit: 2, sell_mode: 'online' })
const found: (Event | EventFields)[] = list.data.data
show([found.length, list.data.page.has_more, list.data.meta.sources.map(({ name, stale }) => [name, stale])])
const next = await api.v1.listEvents({
  start_date: '2021-02-01', end_date: '2021-07-31', limit: 2, sell_mode: 'online', cursor: list.data.page.next_cursor!
})
show(next.data.data.map(({ title }) => title))
const fields = await api.v1.listEvents({ fields: 'title,min_price', sort: '-min_price', limit: 1, count: true })
const prices: (number | null | undefined)[] = fields.data.data.map(({ min_price }) => min_price)
show([prices, fields.data.page.total?.value])

const event: Event = (await api.v1.getEvent(found[0]!.id!)).data
const capacity: number = event.zones.reduce((sum, zone) => sum + zone.capacity, 0)
const status: 'listed' | 'delisted' = event.status
show([event.title, event.organizer_company_id?.length ?? null, capacity, status])

const { data: history } = await api.v1.getEventHistory(event.id, { limit: 5 })
show(history.data.map(({ kind, fields }) => [kind, fields.map(({ field }) => field)]))
const changes: Change[] = (await api.v1.listChanges({ limit: 10 })).data.data
show(changes.map(({ kind, event }) => [kind, event.title]))
const sources: Source[] = (await api.v1.listSources()).data.data
show(sources.map(({ name, last_run, circuit }) => [name, last_run?.outcome ?? null, circuit.state]))
show((await (await api.v1.exportEventsCsv({ q: 'camela' })).text()).split('\\r\\n').length)

async function fail(asked: Promise<unknown>): Promise<void> {
  const { status, error } = await asked.then(
    () => { throw new Error('it did not fail') },
    (response: HttpResponse<unknown, Problem>) => response
  )
  show([status, error.code, error.parameter ?? null])
}
await fail(api.v1.listEvents({ start_date: '2021-09-31' }))
await fail(api.v1.pauseSource('demo'))
api.setSecurityData(token)
show((await api.v1.pauseSource('demo')).data.outcome)
`

const SETTINGS = {
  compilerOptions: {
    strict: true,
    noEmitOnError: true,
    target: 'es2024',
    lib: ['es2024', 'dom'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(import.meta.dirname, '../../node_modules/@types')],
    outDir: 'made'
  }
}

let service: TestApp
let folder: string
beforeAll(async () => {
  const url = new URL('../../samples/events.xml', import.meta.url).href
  service = await createApp({ sources: { demo: { url, timezone: 'Europe/Madrid' } } })
  await service.ingest('demo')
  folder = await mkdtemp(join(tmpdir(), 'event-service-'))
})
afterAll(async () => {
  await service.close()
  await rm(folder, { recursive: true })
})

it('a client that is generated from the OpenAPI document compiles and works', async () => {
  const spec = (await readDocument(service.app)) as Spec
  await generateApi({ spec, output: folder, fileName: 'api.ts', httpClientType: 'fetch', silent: true })
  const api = join(folder, 'api.ts')
  // What was generated is checked, too.
  await writeFile(api, (await readFile(api, 'utf8')).replace('// @ts-nocheck', ''))
  await writeFile(join(folder, 'program.ts'), PROGRAM)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(SETTINGS))
  const tsc = join(import.meta.dirname, '../../node_modules/.bin/tsc')
  const compiled = await run(tsc, ['-p', folder]).catch((error) => error)
  expect(compiled.stdout).toBe('')

  const origin = await service.app.listen({ host: '127.0.0.1', port: 0 })
  const { stdout } = await run(process.execPath, [join(folder, 'made/program.js'), origin, ADMIN_TOKEN])
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  ).toEqual([
    [2, true, [['demo', false]]],
    ['Los Morancos'],
    [[65], 3],
    ['Pantomima Full', 1, 2, 'listed'],
    [['created', []]],
    [
      ['created', 'Camela en concierto'],
      ['created', 'Pantomima Full'],
      ['created', 'Los Morancos']
    ],
    [['demo', 'complete', 'closed']],
    3,
    [400, 'invalid_parameter', 'start_date'],
    [401, 'unauthorized', null],
    'done'
  ])
})
